# InsightSphere AI. docs/install-container.md says how to run it; deploy/compose.yaml does, with all that it needs.

FROM python:3.11-slim AS packages
WORKDIR /build
COPY requirements.txt requirements-tracing.txt ./
RUN python -m venv /venv && /venv/bin/python -m pip install --no-cache-dir -r requirements.txt -r requirements-tracing.txt

FROM python:3.11-slim
WORKDIR /app
COPY --from=packages /venv /venv
COPY wsgi.py ./
COPY insight_app insight_app
COPY templates templates
COPY static static
COPY deploy/gunicorn.conf.py deploy/worker.py deploy/
# The only folders that are written to: what is kept, and what Nginx serves itself (a volume of it starts with this owner).
RUN mkdir -p /data /run/insight/assets && chown 10001:10001 /data /run/insight/assets
USER 10001:10001

# Others reach a container, so people sign in. The built-in model is not in it: an Ollama answers, in a container of its own.
ENV APP_HOST=0.0.0.0 APP_PORT=8000 AUTH_MODE=accounts DATA_DIR=/data EMBEDDED_ENGINE=off \
    PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD ["/venv/bin/python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["/venv/bin/python", "-m", "gunicorn", "-c", "deploy/gunicorn.conf.py", "--bind", "0.0.0.0:8000", "wsgi:app"]
