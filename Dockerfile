# syntax=docker/dockerfile:1
FROM python:3.11-slim AS build
WORKDIR /source
COPY pyproject.toml requirements.lock README.md LICENSE NOTICE schema.sql ./
COPY server server
COPY storage storage
COPY ai ai
COPY sync sync
COPY treesync_client treesync_client
COPY web web
RUN python -m venv /opt/treesync && /opt/treesync/bin/pip install --no-cache-dir --constraint requirements.lock .

FROM python:3.11-slim
LABEL org.opencontainers.image.title="treesync" \
      org.opencontainers.image.description="A real-time collaborative sync server for trees" \
      org.opencontainers.image.licenses="Apache-2.0"
# certificates: the database's and the key set's TLS is verified; always the newest, so no version is named
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 treesync \
    && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin treesync \
    && install --directory --owner=10001 --group=10001 /data
COPY --from=build /opt/treesync /opt/treesync
ENV PATH=/opt/treesync/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    TREESYNC_ENV=production \
    TREESYNC_DATA_DIR=/data \
    HOST=0.0.0.0 \
    PORT=8000
WORKDIR /data
VOLUME ["/data"]
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 CMD ["treesync", "health"]
CMD ["treesync", "serve"]
