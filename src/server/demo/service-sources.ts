/** The Python sources of the demo's repository. */
export const serviceSources: Record<string, string> = {
  "src/__init__.py": "",
  "src/main.py": `from fastapi import FastAPI

from src.api.middleware import SessionMiddleware
from src.api.routes import router
from src.config import settings

app = FastAPI(title="Identity Service", version="1.4.0")
app.add_middleware(SessionMiddleware, cookie_name=settings.cookie_name)
app.include_router(router)
`,
  "src/config.py": `from dataclasses import dataclass
from os import environ


@dataclass(frozen=True)
class Settings:
    cookie_name: str = "acme_session"
    session_hours: int = 12
    token_url: str = environ.get("TOKEN_URL", "https://id.acme.example/oauth2/token")
    client_id: str = environ.get("CLIENT_ID", "identity-service")
    redis_url: str = environ.get("REDIS_URL", "redis://localhost:6379/0")


settings = Settings()
`,
  "src/auth/__init__.py": "",
  "src/auth/oauth2_handler.py": `"""The OAuth 2.0 authorization code flow."""

import httpx

from src.auth.errors import TokenExchangeError
from src.auth.tokens import Token
from src.config import settings


class OAuth2Handler:
    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def exchange_code(self, code: str) -> Token:
        """Trades an authorization code for a token."""
        response = await self._client.post(
            settings.token_url,
            data={
                "grant_type": "authorization_code",
                "client_id": settings.client_id,
                "code": code,
            },
        )
        if response.status_code != 200:
            raise TokenExchangeError(response.text)
        return Token.from_response(response.json())
`,
  "src/auth/tokens.py": `from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from hashlib import sha256


@dataclass(frozen=True)
class Token:
    value: str
    expires_at: datetime

    @classmethod
    def from_response(cls, body: dict) -> "Token":
        lifetime = timedelta(seconds=int(body["expires_in"]))
        return cls(body["access_token"], datetime.now(timezone.utc) + lifetime)

    @property
    def fingerprint(self) -> str:
        return sha256(self.value.encode()).hexdigest()
`,
  "src/auth/errors.py": `class AuthError(Exception):
    """Signing in failed."""


class TokenExchangeError(AuthError):
    """The provider refused the authorization code."""
`,
  "src/auth/password.py": `from hashlib import scrypt
from hmac import compare_digest
from os import urandom


def hash_password(password: str) -> bytes:
    salt = urandom(16)
    return salt + scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1)


def verify_password(password: str, stored: bytes) -> bool:
    salt, expected = stored[:16], stored[16:]
    return compare_digest(scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1), expected)
`,
  "src/sessions/__init__.py": "",
  "src/sessions/store.py": `from typing import Protocol

from src.sessions.session import Session


class SessionStore(Protocol):
    async def save(self, session: Session) -> None: ...

    async def find(self, session_id: str) -> Session | None: ...

    async def delete(self, session_id: str) -> None: ...


class MemoryStore:
    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}

    async def save(self, session: Session) -> None:
        self._sessions[session.id] = session

    async def find(self, session_id: str) -> Session | None:
        return self._sessions.get(session_id)

    async def delete(self, session_id: str) -> None:
        self._sessions.pop(session_id, None)
`,
  "src/sessions/session.py": `from dataclasses import dataclass
from datetime import datetime


@dataclass
class Session:
    id: str
    user_id: str
    expires_at: datetime

    def is_expired(self, now: datetime) -> bool:
        return now >= self.expires_at
`,
  "src/api/__init__.py": "",
  "src/api/routes.py": `from fastapi import APIRouter, Request

router = APIRouter()


@router.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}


@router.get("/me")
async def me(request: Request) -> dict[str, str]:
    return {"user_id": request.state.session.user_id}
`,
  "src/api/middleware.py": `from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response


class SessionMiddleware(BaseHTTPMiddleware):
    def __init__(self, app, cookie_name: str) -> None:
        super().__init__(app)
        self._cookie_name = cookie_name

    async def dispatch(self, request: Request, call_next) -> Response:
        if request.url.path == "/health":
            return await call_next(request)
        if self._cookie_name not in request.cookies:
            return JSONResponse({"detail": "Sign in first."}, status_code=401)
        return await call_next(request)
`,
  "src/legacy/__init__.py": "",
  "src/legacy/basic_auth.py": `"""Basic authentication, for the two customers that have not moved yet."""

from base64 import b64decode


def parse_header(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        raise ValueError("not basic authentication")
    user, _, password = b64decode(encoded).decode().partition(":")
    return user, password
`,
};
