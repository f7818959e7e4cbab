import { append, replaceText, type Edits } from "./edits.js";

/** worker-2 makes the token exchange resilient to a slow provider, in the same lines as worker-1. */
export const firstCheckpoint: Edits = {
  "src/auth/oauth2_handler.py": (text) =>
    replaceText(
      `        response = await self._client.post(
            settings.token_url,
            data={
                "grant_type": "authorization_code",
                "client_id": settings.client_id,
                "code": code,
            },
        )
`,
      `        response = await post_patiently(
            self._client,
            settings.token_url,
            data={
                "grant_type": "authorization_code",
                "client_id": settings.client_id,
                "code": code,
            },
            timeout=settings.provider_timeout,
        )
`,
    )(
      replaceText(
        "from src.auth.tokens import Token\n",
        "from src.auth.retry import post_patiently\nfrom src.auth.tokens import Token\n",
      )(text),
    ),
  "src/auth/retry.py": `from asyncio import sleep

import httpx


async def post_patiently(
    client: httpx.AsyncClient, url: str, data: dict[str, str], timeout: float, tries: int = 3
) -> httpx.Response:
    """Posts again, a little later each time, while the provider does not answer."""
    for attempt in range(tries):
        try:
            return await client.post(url, data=data, timeout=timeout)
        except httpx.TransportError:
            if attempt == tries - 1:
                raise
            await sleep(0.2 * 2**attempt)
    raise AssertionError("unreachable")
`,
  "src/config.py": replaceText(
    '    client_id: str = environ.get("CLIENT_ID", "identity-service")\n',
    '    client_id: str = environ.get("CLIENT_ID", "identity-service")\n    provider_timeout: float = 5.0\n',
  ),
};

export const firstIteration: Edits = {
  "tests/test_oauth2.py": replaceText(
    `async def test_exchanges_a_code():
    token = await handler(200, {"access_token": "t1", "expires_in": 60}).exchange_code("c1")
    assert token.value == "t1"
`,
    `@pytest.mark.parametrize("lifetime", [1, 60, 3600])
async def test_exchanges_a_code(lifetime: int):
    body = {"access_token": "t1", "expires_in": lifetime}
    token = await handler(200, body).exchange_code("c1")
    assert token.value == "t1"
`,
  ),
  "src/auth/errors.py": append(`

class ProviderUnavailableError(AuthError):
    """The provider did not answer in time."""
`),
  "docs/architecture.md": append("\nCalls to the provider are tried three times, 5 s each.\n"),
};

/** Deletes a file that worker-1 has changed meanwhile. */
export const dropLegacy: Edits = {
  "src/legacy/basic_auth.py": null,
  "src/legacy/__init__.py": null,
  "README.md": replaceText(
    "| `src/legacy` | the old basic authentication, for two customers |\n",
    "",
  ),
};

export const unsaved: Edits = {
  "src/auth/retry.py": replaceText("tries: int = 3", "tries: int = 4"),
};
