"""The functions of tool.wit. Runs in the sandbox; `wit_world` is generated from the WIT when the component is made."""

import re
import unicodedata

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.text import Found


class Text(exports.Text):
    def find_all(self, pattern: str, text: str) -> list[Found]:
        try:
            matches = re.finditer(pattern, text)
        except re.error as error:
            raise Err(f"not a regular expression: {error}") from error
        return [Found(match.start(), match[0], list(match.groups())) for match in matches]

    def slugify(self, title: str) -> str:
        ascii_text = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
        return "-".join(re.findall(r"[a-z0-9]+", ascii_text.lower()))
