"""The compose file and its page, before anything runs."""

import json
from dataclasses import replace

import pytest

from tests.e2e.compose.engine.docker import CommandError
from tests.e2e.compose.production import (
    NOTHING,
    SERVICES,
    Production,
    Section,
    sections_with_commands,
)


def test_every_section_with_commands_is_run_by_a_test() -> None:
    assert sections_with_commands() == [section.value for section in Section]


@pytest.mark.docker
@pytest.mark.timeout(600)
class TestWithAnEngine:
    def test_nothing_starts_before_the_secrets_are_made(self, clone: Production) -> None:
        bare = replace(clone, project=f"{clone.project}-bare").with_settings(
            COMPOSE_ENV_FILES="", SPLITKEEP_SECRETS="./deploy/none"
        )

        with pytest.raises(CommandError, match=r"see docs/compose\.md"):
            bare.compose("up", "--detach", "--no-build")

        assert bare.leftovers() == NOTHING

    def test_nothing_starts_when_the_secrets_are_gone(self, clone: Production) -> None:
        bare = replace(clone, project=f"{clone.project}-gone").with_settings(
            COMPOSE_ENV_FILES="",
            SPLITKEEP_SECRETS="./deploy/none",
            SPLITKEEP_UID="10001",
            SPLITKEEP_GID="10001",
        )

        with pytest.raises(CommandError, match="bind source path does not exist"):
            bare.compose("up", "--detach", "--no-build", "metadata-db", "vault-db")

        running = bare.leftovers()["containers"]
        bare.compose("down", "--volumes")
        assert running == []
        assert not (clone.clone / "deploy" / "none").exists()

    def test_an_image_that_is_built_here_is_not_asked_of_a_registry(
        self, production: Production
    ) -> None:
        services = json.loads(production.compose("config", "--format", "json"))["services"]
        built = [s for s in services.values() if s["image"] == f"{production.project}:latest"]

        assert {service["pull_policy"] for service in built} == {"never"}
        assert len(built) == 5

    def test_the_journal_can_keep_all_logs(self, production: Production) -> None:
        files = ("--file", "docker-compose.yml", "--file", "deploy/journald.yml")
        merged = json.loads(production.compose(*files, "config", "--format", "json"))

        for name, service in merged["services"].items():
            kept = {"driver": "journald", "options": {"tag": f"splitkeep/{name}"}}
            assert service["logging"] == kept, name

    def test_no_setting_is_a_secret(self, production: Production) -> None:
        services = json.loads(production.compose("config", "--format", "json"))["services"]

        named = [
            (service, name)
            for service in SERVICES
            for name in services[service]["environment"]
            if name.endswith(("PASSWORD", "DSN", "TOKEN", "KEK"))
        ]

        assert named == []
