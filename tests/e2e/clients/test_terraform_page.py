"""docs/terraform.md: what it configures is what the recorded requests ask for."""

import json
import os
import re
import shutil
import subprocess
from typing import Any

import pytest

from tests.e2e.stack import ROOT, Stack

PAGE = (ROOT / "docs" / "terraform.md").read_text()
VECTORS = ROOT / "tests" / "vectors" / "terraform"
BLOCK = re.compile(r"^```(sh|hcl)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RESOURCE = re.compile(r'^resource "(\w+)" "\w+" \{\n(.*?)^\}$', re.MULTILINE | re.DOTALL)
ARGUMENT = re.compile(r'^\s*(\w+)\s*= ("[^"]*"|\[[^\]]*\])$', re.MULTILINE)


def blocks(language: str) -> list[str]:
    return [text for found, text in BLOCK.findall(PAGE) if found == language]


def arguments(resource: str) -> dict[str, Any]:
    """The literal arguments of the page's resource of this type, nested blocks included."""
    bodies = dict(pair for text in blocks("hcl") for pair in RESOURCE.findall(text))
    return {name: json.loads(text) for name, text in ARGUMENT.findall(bodies[resource])}


def created(story: str) -> dict[str, Any]:
    """The first object that the provider was recorded to create."""
    steps = json.loads((VECTORS / f"{story}.json").read_text())["steps"]
    body: dict[str, Any] = next(step["body"] for step in steps if step.get("method") == "POST")
    return body


def test_the_secure_value_of_the_page_is_the_recorded_one() -> None:
    body = created("secure_value")

    assert arguments("grafana_apps_secret_securevalue_v1beta1") == {
        "uid": body["metadata"]["name"],
        "description": body["spec"]["description"],
        "decrypters": body["spec"]["decrypters"],
    }


def test_the_keeper_of_the_page_is_the_recorded_one() -> None:
    body = created("keeper")
    role = body["spec"]["aws"]["assumeRole"]

    assert arguments("grafana_apps_secret_keeper_v1beta1") == {
        "uid": body["metadata"]["name"],
        "description": body["spec"]["description"],
        "region": body["spec"]["aws"]["region"],
        "assume_role_arn": role["assumeRoleArn"],
        "external_id": role["externalID"],
    }


@pytest.mark.parametrize("text", blocks("hcl"))
def test_terraform_reads_what_the_page_configures(text: str) -> None:
    program = shutil.which("terraform")
    if program is None:
        pytest.skip("there is no terraform on the PATH")

    done = subprocess.run(
        [program, "fmt", "-check", "-diff", "-"],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_hands_the_provider_a_gateway_and_a_token(stack: Stack) -> None:
    (typed,) = blocks("sh")
    typed = typed.replace("https://localhost:8080", stack.info["gateway"])
    typed = typed.replace("$PWD/.splitkeep/tls/ca.pem", stack.info["ca"])
    ask = (
        'curl -sS --cacert "$GRAFANA_CA_CERT" -H "Authorization: Bearer $GRAFANA_AUTH" '
        "-o /dev/null -w '%{http_code}' "
        '"$GRAFANA_URL/apis/secret.grafana.app/v1beta1/namespaces/default/securevalues"'
    )

    done = subprocess.run(
        ["bash", "-euc", f"{typed}\n{ask}"],
        cwd=ROOT,
        env=os.environ | {"SPLITKEEP_STATE_DIR": str(stack.directory)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stdout == "200", done.stderr
