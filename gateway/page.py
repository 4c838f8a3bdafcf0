"""The documentation page: files that are part of the release, under a strict policy.

The policy (Content Security Policy Level 3) lets the page load and ask this origin only, run no
script but its own files, be framed by nobody and send no form. It needs no credential; a token
that is pasted into it is sent to this origin, and kept nowhere.
"""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from gateway.published import Answer, Published

WEB = Path(__file__).parent / "web"
FILES = {
    "/docs": ("docs/index.html", "text/html"),
    "/docs/docs.css": ("docs/docs.css", "text/css"),
    "/docs/docs.js": ("docs/docs.js", "text/javascript"),
    "/docs/swagger-ui.css": ("swagger-ui/swagger-ui.css", "text/css"),
    "/docs/swagger-ui-bundle.js": ("swagger-ui/swagger-ui-bundle.js", "text/javascript"),
}

POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
HEADERS = {
    "content-security-policy": "; ".join(
        f"{name} {sources}" for name, sources in POLICY.items()
    ),
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "no-referrer",
}


def page_paths() -> dict[str, Answer]:
    """What is answered where; the files are read once."""
    return {path: _file(name, media_type) for path, (name, media_type) in FILES.items()}


def _file(name: str, media_type: str) -> Answer:
    published = Published((WEB / name).read_bytes(), media_type)

    async def answer(request: Request) -> Response:
        return await published.answer(request, HEADERS)

    return answer
