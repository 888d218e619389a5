"""Hooks of mkdocs: files of the repository that lie outside of docs/ are pages of the site, too."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
PAGES = {
    "README.md": "README.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "SECURITY.md": "SECURITY.md",
    "models/zoo/zoo.md": "zoo.md",
}


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that lie elsewhere."""
    for source, page in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text("utf-8")))
    return files


def on_post_page(output: str, page: Any, config: Any) -> str:
    """The theme's dialog of the search has no name, by which a screen reader calls it."""
    return output.replace('role="dialog"', 'role="dialog" aria-label="Search"')


def on_post_template(output_content: str, template_name: str, config: Any) -> str:
    """The page that is shown where there is none has that dialog, too."""
    return on_post_page(output_content, None, config)


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Links between files of the repository become links between pages."""
    for source, target in PAGES.items():
        markdown = re.sub(rf"\]\((?:\.\./)*{re.escape(source)}", f"]({target}", markdown)
    return re.sub(r"\]\((?:\.\./)?docs/", "](", markdown)
