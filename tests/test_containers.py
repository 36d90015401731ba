"""What can be seen of the image and the compose file without a container engine."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from server.settings import Settings, environment_name
from supply.lock import HEAD as LOCK_HEAD

ROOT = Path(__file__).parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = (ROOT / "compose.yaml").read_text(encoding="utf-8")
FINAL = DOCKERFILE.rpartition("\nFROM ")[2]


def instruction(name: str) -> str:
    """The last instruction of that name in the final stage."""
    found: list[str] = re.findall(rf"^{name} (.+)$", FINAL, re.M)
    return found[-1]


def settings() -> set[str]:
    return {environment_name(field) for field in Settings.model_fields.values()}


def services() -> dict[str, str]:
    """name -> its lines"""
    body = COMPOSE.partition("\nservices:\n")[2].partition("\nvolumes:\n")[0]
    found = re.split(r"^  (\w+):\n", body, flags=re.M)[1:]
    return dict(zip(found[::2], found[1::2], strict=True))


def linted(dockerfile: Path) -> subprocess.CompletedProcess[str]:
    hadolint = Path(sys.executable).with_name("hadolint")
    command = [str(hadolint), "--no-color", "--failure-threshold", "style", str(dockerfile)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_linter_has_nothing_to_say() -> None:
    done = linted(ROOT / "Dockerfile")
    assert done.returncode == 0, done.stdout


def test_the_linter_would_say_something(tmp_path: Path) -> None:
    careless = tmp_path / "Dockerfile"
    careless.write_text("FROM python:latest\nRUN pip install treesync\n", encoding="utf-8")
    done = linted(careless)
    assert done.returncode == 1
    assert {"DL3007", "DL3013", "DL3042"} <= set(re.findall(r"\bDL\d+", done.stdout))


def test_no_layer_keeps_a_cache() -> None:
    assert [line for line in re.findall(r"pip install.*", DOCKERFILE) if "--no-cache-dir" not in line] == []
    for layer in re.findall(r"^RUN (?:.*\\\n)*.*$", DOCKERFILE, re.M):
        assert "apt-get install" not in layer or "rm -rf /var/lib/apt/lists/*" in layer


def test_the_image_has_two_stages_and_leaves_the_build_behind() -> None:
    assert len(re.findall(r"^FROM ", DOCKERFILE, re.M)) == 2
    assert "pip install" not in FINAL


def test_the_image_holds_the_versions_of_the_lock_on_a_python_of_one_version() -> None:
    assert re.search(r"pip install .*--constraint requirements\.lock \.$", DOCKERFILE, re.M)
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.M)
    assert len(set(bases)) == 1, "compiled packages are copied from the first stage to the second"
    assert re.fullmatch(r"python:\d+\.\d+-slim", bases[0])
    assert f"with Python {bases[0][len('python:') : -len('-slim')]}" in LOCK_HEAD, "the lock is made for that Python"


def test_the_image_runs_as_nobody_special() -> None:
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", instruction("USER"))


def test_signals_and_health_reach_the_process_itself() -> None:
    assert json.loads(instruction("CMD")) == ["treesync", "serve"]
    assert json.loads(instruction("HEALTHCHECK").partition(" CMD ")[2]) == ["treesync", "health"]
    assert instruction("STOPSIGNAL") == "SIGTERM"


def test_the_image_holds_no_secret_and_starts_only_with_one() -> None:
    assert "TREESYNC_ENV=production" in FINAL
    assert not re.search(r"SECRET|PASSWORD|TOKEN|_URL", FINAL)


def test_everything_that_is_copied_is_let_in_and_exists() -> None:
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {name for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.M) for name in line.split()[:-1]}
    assert copied == let_in
    assert [name for name in copied if not (ROOT / name).exists()] == []


def test_every_variable_that_is_set_is_a_setting() -> None:
    named = set(re.findall(r"\b(TREESYNC_[A-Z_]+|DATABASE_URL|REDIS_URL)\b", COMPOSE + FINAL))
    assert named <= settings()


def test_compose_has_two_instances_and_what_they_stand_on() -> None:
    assert set(services()) == {"one", "two", "migrate", "proxy", "postgres", "redis"}
    assert COMPOSE.count("<<: *treesync\n") == 2


def test_images_are_pinned_to_a_version() -> None:
    images = [image for image in re.findall(r"image: (\S+)", COMPOSE) if image != "treesync"]
    assert images
    assert [image for image in images if not re.search(r":\d+", image)] == []


def test_nothing_starts_before_what_it_needs_is_healthy() -> None:
    waits = re.findall(r"^ +(\w+):\n +condition: (\w+)$", COMPOSE, re.M)
    assert {name for name, _ in waits} == {"migrate", "redis", "postgres", "one", "two"}
    for name, condition in waits:
        assert condition == ("service_completed_successfully" if name == "migrate" else "service_healthy")
        checked = services()[name] + (FINAL if name in {"one", "two"} else "")
        assert condition == "service_completed_successfully" or re.search(r"healthcheck:|HEALTHCHECK", checked)


def test_the_proxy_spreads_over_both_without_sticking() -> None:
    caddyfile = (ROOT / "deploy" / "Caddyfile").read_text(encoding="utf-8")
    assert re.search(r"reverse_proxy one:8000 two:8000", caddyfile)
    assert re.search(r"lb_policy round_robin", caddyfile)
    assert "health_uri /readyz" in caddyfile
