# One image for every process; its argument is the Python module to run:
#   docker run IMAGE metadata_svc | vault_svc | gateway | metadata_svc migrate | splitkeep …
#
# PYTHON_IMAGE    Debian-like, Python 3.11 or later with its venv module.
# PIP_NO_INDEX, PIP_FIND_LINKS    to build without a package index: put the wheels of
#                 requirements/run.lock into ./wheelhouse, pass 1 and /build/wheelhouse.
ARG PYTHON_IMAGE=python:3.12-slim

FROM ${PYTHON_IMAGE} AS dependencies
ARG PIP_NO_INDEX=
ARG PIP_FIND_LINKS=
# The environment has no pip of its own: what runs in production installs nothing.
RUN python3 -m venv /build/installer && python3 -m venv --without-pip /opt/venv
# The second source is a pattern because it may be absent.
COPY requirements/run.lock wheelhous[e] /build/wheelhouse/
RUN /build/installer/bin/pip --python /opt/venv/bin/python --disable-pip-version-check install \
    --no-cache-dir --no-deps --only-binary :all: --require-hashes -r /build/wheelhouse/run.lock

FROM ${PYTHON_IMAGE} AS code
COPY protos /app/protos
COPY chassis /app/chassis
COPY metadata_svc /app/metadata_svc
COPY vault_svc /app/vault_svc
COPY gateway /app/gateway
COPY splitkeep /app/splitkeep
# A clone may be its owner's alone; the image's user is another.
RUN chmod -R u=rwX,go=rX /app && python3 -m compileall -q --invalidation-mode unchecked-hash /app

FROM ${PYTHON_IMAGE}
COPY --from=dependencies /opt/venv /opt/venv
COPY --from=code /app /app
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONPATH=/app \
    PYTHONSAFEPATH=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /app
USER 10001:10001
STOPSIGNAL SIGTERM
ENTRYPOINT ["/opt/venv/bin/python", "-m"]
