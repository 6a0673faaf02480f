"""The service of ../weak with every mistake mended in FastAPI itself.

It issues its own tokens (ES256) and believes no others. Run it behind the guard,
or with uvicorn's own --ssl-keyfile and --ssl-certfile; it refuses plain HTTP.
"""

import asyncio
import base64
import binascii
import hmac
import json
import os
import re
import secrets
import time
from typing import AsyncIterator

import jwt
from fastapi import Depends, FastAPI, File, Form, HTTPException, Request, Response, UploadFile, WebSocket
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ValidationError, constr
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

ISSUER = "https://id.example.com/"
AUDIENCE = "items-api"
TYPE = "at+jwt"
LIFETIME = 300
SESSION_LIFETIME = 24 * 3600
ORIGINS = os.environ.get("ITEMS_ORIGINS", "https://app.example.com").split()
HOSTS = os.environ.get("ITEMS_HOSTS", "localhost").split()
SECRETS = os.environ.get("ITEMS_SECRETS") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "secrets")
FAILURES = 5  # failed logins a minute, for each name
MOST = 10_000  # of whatever is remembered

with open(os.path.join(SECRETS, "private.pem")) as f:
    PRIVATE = f.read()
with open(os.path.join(SECRETS, "jwks.json")) as f:
    KEYS = json.load(f)  # public keys only: they are published
_jwk = KEYS["keys"][0]
KEY_ID, PUBLIC = _jwk["kid"], jwt.PyJWK.from_dict(_jwk).key


def users() -> dict[str, str]:
    """Names and passwords, from the environment: {"alice": "..."}. Real users have hashes in a database."""
    return json.loads(os.environ.get("ITEMS_USERS", "{}"))


# --- tokens


class Refused(Exception):
    """Says why a token is not believed. The reason is for nobody outside."""


SEGMENT = re.compile(r"[A-Za-z0-9_-]+\Z")


def _members(pairs: list) -> dict:
    names = [name for name, _ in pairs]
    if len(names) != len(set(names)):
        raise Refused("a member twice")
    return dict(pairs)


def _no_constant(name: str) -> None:
    raise Refused(f"{name} is no JSON")


def _part(text: str) -> bytes:
    """One part of a token, which must be the only spelling of its bytes."""
    if not SEGMENT.match(text):
        raise Refused("not base64url")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (ValueError, binascii.Error) as error:
        raise Refused("not base64url") from error
    if base64.urlsafe_b64encode(data).rstrip(b"=").decode() != text:
        raise Refused("not the canonical spelling")
    return data


def _object(text: str) -> dict:
    try:
        value = json.loads(_part(text).decode(), object_pairs_hook=_members, parse_constant=_no_constant)
        json.dumps(value, ensure_ascii=False).encode()  # half a character cannot be written again
    except (ValueError, RecursionError) as error:
        raise Refused("not JSON") from error
    if not isinstance(value, dict):
        raise Refused("not an object")
    return value


def _plain(value: object) -> bool:
    """A string that nothing later on can mistake for something else."""
    return isinstance(value, str) and value != "" and value.isprintable()


def verify(token: str) -> dict:
    """The claims of an access token of our own. PyJWT 2.6 checks less than a token needs:
    type, critical extensions, duplicate members, spelling and lifetime are looked at here."""
    if len(token) > 4096 or token.count(".") != 2:
        raise Refused("size or form")
    head, body, signature = token.split(".")
    header, seen = _object(head), _object(body)
    _part(signature)
    if header != {"alg": "ES256", "kid": KEY_ID, "typ": TYPE}:
        raise Refused("header is not as we write it")
    try:
        claims = jwt.decode(
            token,
            PUBLIC,
            algorithms=["ES256"],
            issuer=ISSUER,
            audience=AUDIENCE,
            options={"require": ["exp", "iat", "iss", "aud", "sub", "jti"]},
        )
    except Exception as error:  # what PyJWT 2.6 raises is not always its own
        raise Refused("PyJWT") from error
    times = [claims.get("exp"), claims.get("iat"), claims.get("nbf", 0)]
    if any(type(t) is not int or not 0 <= t < 1 << 40 for t in times):
        raise Refused("dates")
    now = time.time()
    if claims["iat"] > now or claims["exp"] <= now or claims["exp"] - claims["iat"] > 2 * LIFETIME:
        raise Refused("lifetime")
    if claims != seen or claims["aud"] != AUDIENCE or "cnf" in claims:
        raise Refused("claims")
    if not all(_plain(claims[name]) for name in ("sub", "jti")):
        raise Refused("names")
    return claims


# --- sessions, in this process; several instances need a store


class Sessions:
    """Refresh tokens by their value, and the sessions that have ended."""

    def __init__(self) -> None:
        self.live: dict[str, dict] = {}
        self.ended: dict[str, float] = {}
        self.failed: dict[str, list[float]] = {}

    def begin(self, name: str) -> dict:
        return {"sid": secrets.token_urlsafe(16), "sub": name, "until": time.time() + SESSION_LIFETIME}

    def refresh_token(self, session: dict) -> str:
        self.live = {k: s for k, s in self.live.items() if s["until"] > time.time()}
        if len(self.live) >= MOST:
            raise HTTPException(503, "Temporarily unavailable")
        token = secrets.token_urlsafe(32)
        self.live[token] = dict(session, used=False)
        return token

    def use(self, token: str) -> dict | None:
        """The session of a refresh token. A second use ends the whole family."""
        session = self.live.get(token)
        if session is None or session["until"] <= time.time() or session["sid"] in self.ended:
            return None
        if session["used"]:
            self.end(session["sid"])
            return None
        session["used"] = True
        return session

    def end(self, sid: str) -> None:
        now = time.time()
        self.ended = {s: t for s, t in self.ended.items() if t > now}
        self.ended[sid] = now + SESSION_LIFETIME
        self.live = {k: s for k, s in self.live.items() if s["sid"] != sid}

    def may_try(self, name: str) -> bool:
        now = time.time()
        recent = [t for t in self.failed.get(name, []) if now - t < 60]
        if recent:
            self.failed[name] = recent
        else:
            self.failed.pop(name, None)
        return len(recent) < FAILURES

    def failure(self, name: str) -> None:
        if len(self.failed) >= MOST:
            self.failed.clear()
        self.failed.setdefault(name, []).append(time.time())


sessions = Sessions()
COOKIE = "__Host-items-refresh"


def grant(session: dict, response: Response) -> dict:
    now = int(time.time())
    claims = {
        "iss": ISSUER, "aud": AUDIENCE, "sub": session["sub"], "sid": session["sid"],
        "jti": secrets.token_urlsafe(16), "iat": now, "exp": now + LIFETIME,
    }
    access = jwt.encode(claims, PRIVATE, "ES256", headers={"kid": KEY_ID, "typ": TYPE})
    response.set_cookie(
        COOKIE, sessions.refresh_token(session), max_age=SESSION_LIFETIME, path="/", secure=True, httponly=True,
        samesite="strict",
    )
    return {"access_token": access, "token_type": "bearer", "expires_in": LIFETIME}


def refusal(detail: str = "Invalid token") -> HTTPException:
    return HTTPException(401, detail, {"WWW-Authenticate": "Bearer"})


def session_of(claims: dict) -> str:
    """What a logout ends: the session, or the one token that belongs to none."""
    return str(claims.get("sid") or claims["jti"])


def believed(lines: list[str]) -> dict:
    """The claims behind the one Authorization header. Tokens come in no other way."""
    if not lines:
        raise refusal("Not authenticated")
    kind, _, token = lines[0].partition(" ")
    if len(lines) > 1 or kind.lower() != "bearer":
        raise refusal()
    try:
        claims = verify(token)
    except Refused as reason:
        raise refusal() from reason
    if session_of(claims) in sessions.ended:
        raise refusal()
    return claims


async def user(request: Request) -> dict:
    return believed(request.headers.getlist("authorization"))


async def own_site(request: Request) -> None:
    """Where the cookie is the credential, only our own pages may ask."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin")
    if site not in ("same-origin", "none") or origin is not None and origin != f"https://{request.headers.get('host')}":
        raise HTTPException(403, "Cross-site request")


# --- the application


class Edge:
    """Refuses plain HTTP, and puts the headers on every answer that protect it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return

        async def guarded(message: dict) -> None:
            if message["type"] == "http.response.start":
                headers = [h for h in message.get("headers", []) if h[0].lower() != b"vary"]
                names = {name.lower() for name, _ in headers}
                for name, value in (
                    (b"strict-transport-security", b"max-age=31536000; includeSubDomains"),
                    (b"x-content-type-options", b"nosniff"),
                    (b"cache-control", b"no-store"),
                    (b"vary", b"Origin"),
                ):
                    if name not in names:
                        headers.append((name, value))
                message = dict(message, headers=headers)
            await send(message)

        if scope["scheme"] in ("https", "wss") or scope["path"] == "/healthz":
            await self.app(scope, receive, guarded)
        elif scope["type"] == "http":
            refused = JSONResponse({"detail": "HTTPS required"}, 403, {"Connection": "close"})
            await refused(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})


app = FastAPI(title="Items", docs_url=None, redoc_url=None, openapi_url=None)
app.router.redirect_slashes = False
app.add_middleware(
    CORSMiddleware, allow_origins=ORIGINS, allow_credentials=True, allow_methods=["GET", "POST"],
    allow_headers=["Authorization", "Content-Type"],
)
app.add_middleware(TrustedHostMiddleware, allowed_hosts=HOSTS, www_redirect=False)
app.add_middleware(Edge)
items = {1: "lamp", 2: "rope"}


class Login(BaseModel):
    username: constr(min_length=1, max_length=64)
    password: constr(min_length=1, max_length=256)


class Item(BaseModel):
    name: constr(min_length=1, max_length=200)


@app.exception_handler(RequestValidationError)
async def unreadable(request: Request, error: RequestValidationError) -> JSONResponse:
    return JSONResponse({"detail": "Malformed request"}, 422)


@app.exception_handler(StarletteHTTPException)
async def known(request: Request, error: StarletteHTTPException) -> JSONResponse:
    return JSONResponse({"detail": error.detail}, error.status_code, error.headers)


@app.exception_handler(Exception)
async def broken(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": "Internal error"}, 500)


@app.get("/healthz")
async def healthz() -> dict:
    return {"status": "ok"}


@app.get("/.well-known/jwks.json")
async def keys() -> dict:
    return KEYS


@app.post("/login")
async def login(body: Login, response: Response) -> dict:
    if not sessions.may_try(body.username):
        raise HTTPException(429, "Too many failed logins", {"Retry-After": "60"})
    known_password = users().get(body.username, "")
    if not hmac.compare_digest(known_password.encode(), body.password.encode()) or not known_password:
        sessions.failure(body.username)
        raise refusal("Incorrect username or password")
    return grant(sessions.begin(body.username), response)


@app.post("/token")
async def token(response: Response, username: str = Form(), password: str = Form()) -> dict:
    try:
        body = Login(username=username, password=password)
    except ValidationError as error:
        raise HTTPException(422, "Malformed request") from error
    return await login(body, response)


@app.post("/refresh", dependencies=[Depends(own_site)])
async def refresh(request: Request, response: Response) -> dict:
    session = sessions.use(request.cookies.get(COOKIE, ""))
    if session is None:
        raise refusal("Invalid refresh token")
    return grant(session, response)


@app.post("/logout")
async def logout(response: Response, claims: dict = Depends(user)) -> dict:
    sessions.end(session_of(claims))
    response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="strict")
    return {"detail": "logged out"}


@app.get("/profile")
async def profile(claims: dict = Depends(user)) -> dict:
    return {"subject": claims["sub"]}


@app.get("/items")
async def list_items(claims: dict = Depends(user)) -> dict:
    return {"items": items}


@app.post("/items", status_code=201)
async def add_item(item: Item, claims: dict = Depends(user)) -> dict:
    if len(items) >= MOST:
        raise HTTPException(507, "No room for more items")
    items[len(items) + 1] = item.name
    return {"id": len(items), "name": item.name}


@app.get("/items/{number}")
async def one_item(number: int, claims: dict = Depends(user)) -> dict:
    if number not in items:
        raise HTTPException(404, "Not found")
    return {"id": number, "name": items[number]}


@app.post("/upload")
async def upload(file: UploadFile = File(), claims: dict = Depends(user)) -> dict:
    size = 0
    while chunk := await file.read(64 << 10):
        size += len(chunk)
    return {"size": size}


@app.get("/admin/stats")
async def stats(claims: dict = Depends(user)) -> dict:
    if "admin" not in str(claims.get("scope", "")).split():
        raise HTTPException(403, "Insufficient scope", {"WWW-Authenticate": 'Bearer error="insufficient_scope", scope="admin"'})
    return {"items": len(items)}


@app.get("/events")
async def events(count: int = 5, claims: dict = Depends(user)) -> StreamingResponse:
    async def stream() -> AsyncIterator[str]:
        for n in range(1, min(count, 1000) + 1):
            if claims["exp"] <= time.time() or session_of(claims) in sessions.ended:
                return  # a stream lives no longer than its token
            yield f"id: {n}\ndata: {json.dumps({'for': claims['sub']})}\n\n"
            await asyncio.sleep(0.2)

    return StreamingResponse(stream(), media_type="text/event-stream")


@app.websocket("/ws")
async def echo(socket: WebSocket) -> None:
    origin = socket.headers.get("origin")
    try:
        claims = believed(socket.headers.getlist("authorization"))
    except HTTPException:
        claims = None
    if claims is None or origin is not None and origin not in ORIGINS:
        await socket.close(1008)
        return
    await socket.accept()
    try:
        while True:
            left = claims["exp"] - time.time()
            if left <= 0 or session_of(claims) in sessions.ended:
                await socket.close(1008)
                return
            await socket.send_text(await asyncio.wait_for(socket.receive_text(), left))
    except Exception:  # the other end has gone, or the token has ended
        return
