"""Programs and command lines as LiteLLM's documentation prints them; nothing is changed but the address."""

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass

#: Seconds after which a snippet hangs.
LIMIT = 60


@dataclass
class Ran:
    """What a snippet printed."""

    status: int
    out: str
    err: str


def run(arguments):
    """Runs a program in an environment without proxies or keys."""
    kept = {
        name: value for name, value in os.environ.items() if not re.search(r"(?i)proxy|openai|azure|anthropic", name)
    }
    with tempfile.TemporaryDirectory(prefix="clients-") as folder:
        ran = subprocess.run(arguments, cwd=folder, env=kept, capture_output=True, text=True, timeout=LIMIT)
    return Ran(ran.returncode, ran.stdout, ran.stderr)


def at(snippet, proxy):
    return re.sub(r"http://0\.0\.0\.0:(4000|8000)", proxy.address, snippet).strip()


def python(snippet, proxy):
    return run([sys.executable, "-c", at(snippet, proxy)])


def curl(snippet, proxy):
    """Runs a command line. Returns the status of the answer, and the answer."""
    quiet = at(snippet, proxy).replace("curl ", "curl --silent --show-error --write-out '\\n%{http_code}' ", 1)
    ran = run(["bash", "-c", quiet])
    assert ran.status == 0, ran.err
    body, _, status = ran.out.rpartition("\n")
    return int(status), body
