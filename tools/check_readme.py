#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Keeps README.md true: code blocks equal the tested files that they name, links and figures exist.

A fenced block that follows a comment line is checked by what the comment says:
  <!-- file: PATH -->   the block is the content of PATH (after its licence line)
  <!-- ci -->           the block is a list of shell commands that CI executes; --commands prints them
"""
import pathlib
import re
import sys

BLOCK = re.compile(r"<!-- (?P<mark>ci|file: (?P<path>\S+)) -->\n```\w*\n(?P<text>.*?)```", re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)[^)]*\)")
LICENCE = re.compile(r"\A(//|#|/\*) SPDX-License-Identifier: MIT( \*/)?\n")


def main() -> int:
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    text = (root / "README.md").read_text(encoding="utf-8")
    blocks = list(BLOCK.finditer(text))
    if "--commands" in sys.argv:
        print("\n".join(block["text"] for block in blocks if block["mark"] == "ci"))
        return 0
    problems = []
    for block in blocks:
        if block["path"]:
            file = root / block["path"]
            if not file.is_file() or LICENCE.sub("", file.read_text(encoding="utf-8")) != block["text"]:
                problems.append(f"README.md: the block of {block['path']} differs from the file")
    for page in [root / "README.md", *sorted(root.glob("docs/*.md")), *sorted(root.glob("*/README.md"))]:
        for link in LINK.findall(page.read_text(encoding="utf-8")):
            if not (page.parent / link).exists():
                problems.append(f"{page.relative_to(root)}: {link} does not exist")
    if not any(block["mark"] == "ci" for block in blocks):
        problems.append("README.md: no commands are marked for CI")
    for problem in problems:
        print(problem)
    print(f"{len(blocks)} checked blocks, {len(problems)} problems in the Markdown pages")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
