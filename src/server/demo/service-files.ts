import { serviceSources } from "./service-sources.js";

/** The repository of the demo's agents: a small Python service, as the first agent commits it. */
export const serviceFiles: Record<string, string> = {
  ...serviceSources,
  "README.md": `# Identity Service

Signs people in to Acme's products by OAuth 2.0 and keeps their sessions.

    make install
    make test
    make run        # http://127.0.0.1:8000

| Part | What it does |
|---|---|
| \`src/auth\` | OAuth 2.0 code flow, tokens, password sign-in |
| \`src/sessions\` | sessions and where they are stored |
| \`src/api\` | routes and what every request passes through |
| \`src/legacy\` | the old basic authentication, for two customers |

Decisions are in \`docs/decisions\`.
`,
  ".gitignore": `__pycache__/
.venv/
.pytest_cache/
*.pyc
.env
`,
  "pyproject.toml": `[project]
name = "identity-service"
version = "1.4.0"
requires-python = ">=3.11"
dependencies = [
  "fastapi>=0.110",
  "httpx>=0.27",
  "redis>=5.0",
]

[project.optional-dependencies]
dev = ["pytest>=8", "pytest-asyncio>=0.23", "ruff>=0.4"]

[tool.pytest.ini_options]
asyncio_mode = "auto"
`,
  Makefile: `install:
	python -m pip install -e ".[dev]"

test:
	python -m pytest -q

lint:
	ruff check src tests

run:
	uvicorn src.main:app --reload
`,
  Dockerfile: `FROM python:3.12-slim
WORKDIR /app
COPY pyproject.toml ./
RUN pip install --no-cache-dir .
COPY src ./src
CMD ["uvicorn", "src.main:app", "--host", "0.0.0.0"]
`,
  "docs/architecture.md": `# Architecture

A request passes the middleware, which finds its session, and then a route. Routes call \`auth\` and
\`sessions\`; these never call back. Tokens are opaque: only their hash is stored.
`,
  "docs/decisions/0001-opaque-tokens.md": `# 1. Opaque tokens

Tokens can be revoked at once, which signed ones cannot. The price is one look-up per request.
`,
  "tests/conftest.py": `import pytest

from src.sessions.store import MemoryStore


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()
`,
  "tests/test_oauth2.py": `import httpx
import pytest

from src.auth.errors import TokenExchangeError
from src.auth.oauth2_handler import OAuth2Handler


def handler(status: int, body: dict) -> OAuth2Handler:
    transport = httpx.MockTransport(lambda request: httpx.Response(status, json=body))
    return OAuth2Handler(httpx.AsyncClient(transport=transport))


async def test_exchanges_a_code():
    token = await handler(200, {"access_token": "t1", "expires_in": 60}).exchange_code("c1")
    assert token.value == "t1"


async def test_refused_code():
    with pytest.raises(TokenExchangeError):
        await handler(400, {"error": "invalid_grant"}).exchange_code("c1")
`,
  "tests/test_password.py": `from src.auth.password import hash_password, verify_password


def test_right_and_wrong_password():
    stored = hash_password("correct staple")
    assert verify_password("correct staple", stored)
    assert not verify_password("wrong", stored)
`,
  "tests/test_sessions.py": `from datetime import datetime, timezone

from src.sessions.session import Session


async def test_saves_and_finds(store):
    session = Session("s1", "u1", datetime(2030, 1, 1, tzinfo=timezone.utc))
    await store.save(session)
    assert await store.find("s1") == session
`,
};
