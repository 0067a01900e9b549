#!/usr/bin/env python3
"""Writes data/models.tsv, the table embedded in the crate, from a JSON file of model facts.

    ./generate.py path/to/models.json

The JSON is one object: model name -> {provider, mode, max_input_tokens, max_output_tokens,
input_cost_per_token, output_cost_per_token, supports: [capability, ...]}.

First line of the table: the capability names. Each further line is one model, sorted by the bytes
of its name: name, provider, mode, input window, output window, input price, output price (USD per
token), capabilities as a hexadecimal set in which bit n stands for the n-th name of the first
line. A field without a value is empty.
"""

import json
import pathlib
import sys

# Names that old configurations still use. Windows and prices: the providers' model pages.
LEGACY = {
    "claude-3-opus-20240229": {
        "provider": "anthropic",
        "mode": "chat",
        "max_input_tokens": 200_000,
        "max_output_tokens": 4_096,
        "input_cost_per_token": 15e-06,
        "output_cost_per_token": 75e-06,
        "supports": ["function_calling", "system_messages", "tool_choice", "vision"],
    },
}
GEMINI_1_5_PRO = {
    "provider": "vertex_ai",
    "mode": "chat",
    "max_input_tokens": 2_097_152,
    "max_output_tokens": 8_192,
    "supports": ["function_calling", "response_schema", "system_messages", "tool_choice", "vision"],
}
LEGACY["gemini-1.5-pro"] = GEMINI_1_5_PRO
LEGACY["gemini-pro-1.5"] = GEMINI_1_5_PRO

FIELDS = ["max_input_tokens", "max_output_tokens", "input_cost_per_token", "output_cost_per_token"]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    models = LEGACY | json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
    capabilities = sorted({name for facts in models.values() for name in facts["supports"]})
    assert len(capabilities) <= 64, "a set is a 64 bit number"
    bit = {name: 1 << n for n, name in enumerate(capabilities)}

    lines = ["\t".join(capabilities)]
    for name in sorted(models, key=lambda name: name.encode()):
        facts = models[name]
        numbers = ["" if facts.get(field) is None else repr(facts[field]) for field in FIELDS]
        supports = sum(bit[capability] for capability in facts["supports"])
        row = [name, facts["provider"], facts["mode"], *numbers, f"{supports:x}"]
        assert not any(c in cell for cell in row for c in "\t\n"), name
        lines.append("\t".join(row))
    out = pathlib.Path(__file__).parent / "data" / "models.tsv"
    out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{out}: {len(lines) - 1} models, {len(capabilities)} capabilities")


main()
