"""The programs in the pages for people, as they stand there."""

import re
from pathlib import Path

import pytest

from harness import snippets

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", "examples/proxy/README.md", "examples/proxy/recipes.md", "examples/proxy/coming-from-litellm.md"]
PROGRAMS = [
    pytest.param(program, id=f"{page}-{number}")
    for page in PAGES
    for number, program in enumerate(re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL))
]


def test_there_are_programs():
    assert len(PROGRAMS) >= 3


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_of_pages(start, program):
    """What asks for zephyr-beta brings a fallback for it."""
    scene = start.scene({"zephyr-beta": ["zephyr"], "gpt-3.5-turbo": ["gpt"], "backup": ["backup"]}, num_retries=0)
    scene.fail("zephyr", status=503)
    ran = snippets.python(program.replace("//localhost:", "//0.0.0.0:"), scene.proxy)
    assert ran.status == 0, ran.err
    assert "hello from gpt" in ran.out
