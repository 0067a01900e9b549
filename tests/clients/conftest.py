"""What the checks share: upstreams, proxies and clients."""

import contextlib

import httpx
import openai
import pytest

from harness.providers import PROVIDERS
from harness.proxy import RUNNING
from harness.stage import ONCE, Stage
from harness.tap import Tap
from harness.upstream import Loop


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Shows what the proxies logged during a check that failed."""
    report = yield
    if report.when == "setup":
        item.seen = {id(proxy): len(proxy.log) for proxy in RUNNING}
    elif report.failed:
        for proxy in RUNNING:
            if log := "".join(proxy.log[item.seen.get(id(proxy), 0) :]):
                report.sections.append(("log of the proxy", log))
    return report


@pytest.fixture(scope="session")
def loop():
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture(scope="session")
def start(loop):
    """Starts upstreams and proxies that live until the end."""
    with Stage(loop) as stage:
        yield stage


@pytest.fixture
def stage(loop):
    """Starts upstreams and proxies that live for one check."""
    with Stage(loop) as stage:
        yield stage


@pytest.fixture(scope="session")
def client():
    """Makes OpenAI clients: `client(proxy)`, with settings of the SDK. Their answers on the wire are in `tap`."""
    with contextlib.ExitStack() as stack:

        def make(proxy, kind=openai.OpenAI, max_retries=0, **settings):
            tap = Tap()
            http_client = stack.enter_context(httpx.Client(transport=tap))
            if kind is openai.OpenAI:
                settings.setdefault("base_url", proxy.base_url)
            settings.setdefault("api_key", "anything")
            made = kind(http_client=http_client, max_retries=max_retries, **settings)
            made.tap = tap
            return made

        yield make


@pytest.fixture(scope="session")
def every_provider(start):
    """A proxy with a deployment of every provider, under the provider's name, and their upstreams."""
    upstreams = {provider.name: start.upstream(provider.name) for provider in PROVIDERS}
    deployments, environment = [], {}
    for provider in PROVIDERS:
        origin = upstreams[provider.name].origin
        deployments.append({"model_name": provider.name, "litellm_params": provider.params(origin)})
        environment |= provider.environment(origin)
    return start.proxy({"model_list": deployments, **ONCE}, environment), upstreams
