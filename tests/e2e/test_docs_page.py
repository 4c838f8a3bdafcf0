"""The documentation page in a real browser, under its own policy, against a running stack."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.e2e.stack import Stack, a_canary

CHROMIUM = Path("/usr/bin/chromium")
FAIL_WITHOUT_BROWSER = os.environ.get("CI", "") not in {"", "0", "false"}
TOKEN_IS_KEPT = """(token) => {
  const kept = [localStorage, sessionStorage].flatMap((each) => Object.values({...each}));
  return kept.concat(document.cookie).some((text) => text.includes(token));
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = CHROMIUM if CHROMIUM.exists() else shutil.which("chromium")
    if not path:
        missing = "no Chromium at /usr/bin/chromium: install the package chromium"
        if FAIL_WITHOUT_BROWSER:
            pytest.fail(missing)
        pytest.skip(missing)
    with sync_playwright() as playwright:
        # A container's root has no sandbox of its own; the page is ours.
        running = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def page(stack: Stack, browser: Browser) -> Iterator[Page]:
    """A page that has complained about nothing when the test ends."""
    complaints: list[str] = []
    context = browser.new_context(base_url=stack.info["gateway"], ignore_https_errors=True)
    page = context.new_page()
    page.on(
        "console", lambda said: complaints.append(said.text) if said.type != "log" else None
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda failed: complaints.append(failed.url))
    page.add_init_script(
        "addEventListener('securitypolicyviolation', e => console.error(e.violatedDirective))"
    )
    yield page
    context.close()
    assert complaints == []


@pytest.mark.parametrize("version", ["v1beta1", "v1"])
def test_the_page_shows_the_operations_of_both_kinds(page: Page, version: str) -> None:
    page.goto(f"/docs?version={version}")

    base = f"/apis/secret.grafana.app/{version}/namespaces/{{namespace}}"
    for path in (f"{base}/securevalues", f"{base}/keepers/{{name}}/activate"):
        expect(page.locator(f"[data-path='{path}']").first).to_be_visible()
    expect(page.locator(".opblock")).to_have_count(17)
    expect(page.get_by_role("link", name=version, exact=True)).to_have_attribute(
        "aria-current", "page"
    )


def test_the_page_goes_to_v1beta1_when_asked_for_what_there_is_not(page: Page) -> None:
    page.goto("/docs?version=https://elsewhere.invalid/openapi.json")

    base = "/apis/secret.grafana.app/v1beta1/namespaces/{namespace}"
    expect(page.locator(f"[data-path='{base}/securevalues']").first).to_be_visible()


def test_a_pasted_token_reads_and_is_kept_nowhere(page: Page, stack: Stack) -> None:
    token = stack.info["tokens"]["reader"]
    value = a_canary()
    assert stack.create("seen-in-the-page", value).status_code == 201
    page.goto("/docs")

    page.get_by_role("button", name="Authorize").click()
    page.get_by_label("auth-bearer-value").fill(token)
    page.get_by_role("button", name="Apply credentials").click()
    page.get_by_role("button", name="Close").click()
    block = page.locator("[id$='readSecretGrafanaAppV1beta1NamespacedSecureValue']")
    block.locator(".opblock-summary-control").click()
    block.get_by_role("button", name="Try it out").click()
    block.get_by_placeholder("namespace").fill("default")
    block.get_by_placeholder("name", exact=True).fill("seen-in-the-page")
    block.get_by_role("button", name="Execute").click()

    answer = block.locator(".live-responses-table")
    expect(answer).to_contain_text("200")
    expect(answer).to_contain_text('"seen-in-the-page"')
    assert value not in page.content()
    assert not page.evaluate(TOKEN_IS_KEPT, token)
    assert token not in page.locator("body").inner_text()
    page.reload()
    page.get_by_role("button", name="Authorize").click()
    expect(page.get_by_label("auth-bearer-value")).to_have_value("")


def test_the_page_cannot_be_framed_or_made_to_load_from_elsewhere(
    browser: Browser, stack: Stack
) -> None:
    context = browser.new_context(base_url=stack.info["gateway"], ignore_https_errors=True)
    page = context.new_page()
    page.goto("/docs")

    page.evaluate(
        """async () => {
          window.seen = [];
          addEventListener('securitypolicyviolation', e => seen.push(e.effectiveDirective));
          document.body.append(Object.assign(document.createElement('script'), {text: '1'}));
          document.body.append(Object.assign(document.createElement('iframe'), {src: '/docs'}));
          await fetch('https://elsewhere.invalid/').catch(() => {});
        }"""
    )
    page.wait_for_function("new Set(seen).size >= 3", timeout=10_000)
    blocked = page.evaluate("seen")
    context.close()

    assert set(blocked) == {"script-src-elem", "frame-src", "connect-src"}
