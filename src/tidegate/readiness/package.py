"""Files to run a project elsewhere: a container's, a systemd unit, and a proxy's that brings TLS.

Project -> {"Containerfile": text, "tidegate.service": text, "Caddyfile": text}
"""

from __future__ import annotations

import sys
from pathlib import Path

from tidegate import __version__
from tidegate.config import Project

EXTRAS = {
    ".skops": "sklearn",
    ".joblib": "sklearn",
    ".pkl": "sklearn",
    ".onnx": "onnx",
    ".ubj": "xgboost",
    ".txt": "lightgbm",
}


def files(project: Project, folder: Path, *, domain: str = "") -> dict[str, str]:
    """By name, for the folder that holds the project file. `domain`: the proxy's name, for which it gets a certificate by itself."""
    return {
        "Containerfile": container(project),
        ".containerignore": ".tidegate\n.venv\n.git\n__pycache__\n",
        "tidegate.service": unit(project, folder),
        "Caddyfile": proxy(project, domain or "models.example.org"),
    }


def extras(project: Project) -> list[str]:
    """What its models need of Tidegate's extras."""
    found = set()
    for model in project.models.values():
        for version in model.versions.values():
            found.add(EXTRAS.get(Path(version.path).suffix, ""))
            found.add(
                version.runtime if version.runtime in ("sklearn", "onnx", "xgboost", "lightgbm", "mlflow") else ""
            )
    if any(endpoint.retraining and endpoint.retraining.mlflow for endpoint in project.endpoints.values()):
        found.add("mlflow")
    if project.monitoring.notify:
        found.add("notify")
    return sorted(found - {""})


def container(project: Project) -> str:
    """An image of the project: its files and Tidegate; the state is a volume."""
    server = project.server
    wanted = extras(project)
    package = f"tidegate[{','.join(wanted)}]" if wanted else "tidegate"
    ports = " ".join(str(port) for port in (server.http, server.grpc, server.control) if port > 0)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    name, http = project.project, server.http or 8080
    return f"""\
# podman build -t {name} . && podman run -p {http}:{http} -v {name}-state:/state {name}
FROM docker.io/library/python:{python}-slim
RUN useradd --create-home --uid 10001 tidegate && mkdir /state && chown tidegate /state
RUN pip install --no-cache-dir '{package}=={__version__}'
WORKDIR /project
COPY --chown=tidegate . .
USER tidegate
# The log, the models' copies and state.db: keep it, and back it up.
ENV TIDEGATE_STATE=/state
VOLUME /state
EXPOSE {ports or "8080"}
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \\
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:{http}/v2/health/ready', timeout=2)"]
# In a container the gateway has to listen on all addresses, which demands keys: server.host: 0.0.0.0, `tidegate keys create`
CMD ["tidegate", "up"]
"""


def unit(project: Project, folder: Path) -> str:
    """A systemd unit that starts it with the machine, stops it in order, and keeps it in its folder."""
    program = Path(sys.executable).with_name("tidegate")
    return f"""\
# sudo cp tidegate.service /etc/systemd/system/{project.project}.service && sudo systemctl enable --now {project.project}
[Unit]
Description=Tidegate: {project.project}
After=network-online.target
Wants=network-online.target

[Service]
Type=exec
WorkingDirectory={folder}
ExecStart={program} up
ExecReload={program} apply
KillMode=mixed
TimeoutStopSec={int(project.server.drain_timeout) + 30}
Restart=on-failure
RestartSec=2
LimitNOFILE=65536
NoNewPrivileges=true
PrivateTmp=true
ProtectSystem=strict
ProtectHome=read-only
ReadWritePaths={folder}
UMask=0077

[Install]
WantedBy=multi-user.target
"""


def proxy(project: Project, domain: str) -> str:
    """TLS in front of it: Caddy gets the certificate by itself, and passes on streams and websockets."""
    server = project.server
    grpc = (
        f"""
{domain}:8443 {{
  reverse_proxy h2c://127.0.0.1:{server.grpc}    # gRPC
}}
"""
        if server.grpc > 0
        else ""
    )
    control = (
        f"""
control.{domain} {{
  reverse_proxy 127.0.0.1:{server.control}       # dashboard and control API; keys: server.keys: required
}}
"""
        if server.control > 0
        else ""
    )
    return f"""\
# caddy run --config Caddyfile
{domain} {{
  reverse_proxy 127.0.0.1:{server.http or 8080} {{
    flush_interval -1                    # streams leave at once
  }}
}}
{grpc}{control}"""
