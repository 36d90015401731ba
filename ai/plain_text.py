"""What a model writes as plain text: nothing in it can be clicked, rendered or loaded, whoever shows it and however.

The page shows text as text; this is for mail, chat and exports, which make links of whatever looks like one.
"""

from __future__ import annotations

import re
import unicodedata

# Tags, comments, marks such as <|end|> that some models obey, and what is left of one that does not end
_TAG = re.compile(r"<[!/?|a-zA-Z][^<>]*(?:>|$)")
_IMAGE_OR_LINK = re.compile(r"!?\[([^\[\]]*)\]\s?\([^()]*\)")
_REFERENCE = re.compile(r"!?\[([^\[\]]*)\]\[[^\[\]]*\]")
# What clients make links of: a scheme, or a host that begins with www.
_ADDRESS = re.compile(
    r"\b(?:[a-z][a-z0-9+.-]{1,20}:/{1,3}|www\.|(?:javascript|data|vbscript|mailto|tel|file):)\S*", re.I
)
_HOST = re.compile(
    r"\b(?:[a-z0-9-]{1,63}\.){1,8}(?:com|net|org|io|dev|app|ai|co|info|biz|me|ru|cn|xyz|link|click)\b(?:[:/]\S*)?", re.I
)
_FORMAT = re.compile(r"(?:\*\*|__|`+|~~)")
_BLANKS = re.compile(r"[ \t]+")
_LINES = re.compile(r"\n{3,}")
_LEFT_OUT = "(link left out)"
# Cc but for the line feed, and Cf: characters that nobody sees turn text around (Trojan Source, CVE-2021-42574) or
# hide instructions (tag characters, U+E0000)
_UNSEEN = {"Cc", "Cf", "Co", "Cs", "Cn"}
_NEEDED = "\n\t\u200c\u200d"  # the joiners are letters to Persian and Hindi, and to emoji
_PASSES = 8  # for marks that were put together from parts; whoever goes deeper loses all brackets
_NO_BRACKETS = str.maketrans("", "", "<>[]")


def plain(text: str) -> str:
    """Plain text. The same again for what is plain already."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    text = "".join(one for one in text if one in _NEEDED or unicodedata.category(one) not in _UNSEEN)
    for _ in range(_PASSES):
        shorter = _without_marks(text)
        if shorter == text:
            break
        text = shorter
    else:
        text = _without_marks(text.translate(_NO_BRACKETS))
    return _LINES.sub("\n\n", _BLANKS.sub(" ", text)).strip()


def _without_marks(text: str) -> str:
    """One pass: what was put together from parts is found in the next."""
    text = _IMAGE_OR_LINK.sub(r"\1", text)
    text = _REFERENCE.sub(r"\1", text)
    text = _TAG.sub("", text)
    text = _ADDRESS.sub(_LEFT_OUT, text)
    text = _HOST.sub(_LEFT_OUT, text)
    return _FORMAT.sub("", text)
