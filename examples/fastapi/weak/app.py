"""A service as it is often written: it works, and its tokens are not safe.

Every mistake is marked with "mistake". Never expose it without the guard.
"""

import asyncio
import json
import time
import traceback

import jwt
from fastapi import Depends, FastAPI, File, Form, HTTPException, Request, Response, UploadFile, WebSocket
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.security import OAuth2PasswordBearer
from pydantic import BaseModel

# mistake: the secret of FastAPI's tutorial, known to everybody
SECRET_KEY = "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7"
ALGORITHM = "HS256"
LIFETIME = 8 * 24 * 3600  # mistake: eight days
USERS = {"alice": "wonderland-7", "bob": "builder-42"}

# mistake: takes any Host, sends wrong slashes on to it, speaks plain HTTP, and shows its documentation to all
app = FastAPI(title="Items", version="0.92.0")
# mistake: every origin, and with credentials, every method and every header
app.add_middleware(
    CORSMiddleware, allow_origins=["*"], allow_credentials=True, allow_methods=["*"], allow_headers=["*"]
)
scheme = OAuth2PasswordBearer(tokenUrl="token", auto_error=False)
items = {1: "lamp", 2: "rope"}
refreshers: dict[str, str] = {}


def read(token: str) -> dict:
    # mistake: anybody can write such a token; nor do exp, iss and aud count
    return jwt.decode(token, SECRET_KEY, algorithms=[ALGORITHM, "none"], options={"verify_signature": False})


async def user(request: Request, bearer: str | None = Depends(scheme)) -> str:
    # mistake: a token in the URL ends up in logs, and a cookie comes from anywhere
    token = bearer or request.query_params.get("token") or request.cookies.get("session")
    if not token:
        raise HTTPException(401, "Not authenticated", {"WWW-Authenticate": "Bearer"})
    return str(read(token).get("sub"))


def grant(name: str, response: Response) -> dict:
    now = int(time.time())
    # mistake: neither iss nor aud nor jti
    access = jwt.encode({"sub": name, "iat": now, "exp": now + LIFETIME}, SECRET_KEY, ALGORITHM)
    refresh = f"refresh-{len(refreshers) + 1:06d}"  # mistake: can be counted up
    refreshers[refresh] = name
    response.set_cookie("session", access)  # mistake: neither Secure nor HttpOnly
    # mistake: whoever is between may keep the answer
    return {"access_token": access, "token_type": "bearer", "expires_in": LIFETIME, "refresh_token": refresh}


class Login(BaseModel):
    username: str
    password: str


class Refresh(BaseModel):
    refresh_token: str


class Item(BaseModel):
    name: str


@app.exception_handler(Exception)
async def broken(request: Request, error: Exception) -> JSONResponse:
    # mistake: tells the client what it sent and where the code broke
    text = "".join(traceback.format_exception(error))
    return JSONResponse({"detail": str(error), "trace": text, "headers": dict(request.headers)}, 500)


@app.exception_handler(404)
async def missing(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": "Not Found", "headers": dict(request.headers)}, 404)  # mistake: the same


@app.get("/healthz")
async def healthz() -> dict:
    return {"status": "ok"}


@app.post("/login")
async def login(body: Login, response: Response) -> dict:
    if USERS.get(body.username) != body.password:  # mistake: as often as one likes
        raise HTTPException(401, "Incorrect username or password")
    return grant(body.username, response)


@app.post("/token")
async def token(response: Response, username: str = Form(), password: str = Form()) -> dict:
    return await login(Login(username=username, password=password), response)


@app.post("/refresh")
async def refresh(body: Refresh, response: Response) -> dict:
    if body.refresh_token not in refreshers:  # mistake: again and again
        raise HTTPException(401, "Invalid refresh token")
    return grant(refreshers[body.refresh_token], response)


@app.post("/logout")
async def logout() -> dict:
    return {"detail": "logged out"}  # mistake: the token lives on


@app.get("/profile")
async def profile(request: Request, name: str = Depends(user)) -> dict:
    # mistake: believes a header that anybody can send
    return {"subject": request.headers.get("x-auth-subject", name)}


@app.get("/items")
async def list_items(name: str = Depends(user)) -> dict:
    return {"items": items}


@app.post("/items", status_code=201)
async def add_item(item: Item, name: str = Depends(user)) -> dict:
    items[len(items) + 1] = item.name
    return {"id": len(items), "name": item.name}


@app.get("/items/{number}")
async def one_item(number: int, name: str = Depends(user)) -> dict:
    return {"id": number, "name": items[number]}  # mistake: KeyError, and with it the trace


@app.post("/upload")
async def upload(file: UploadFile = File(), name: str = Depends(user)) -> dict:
    size = 0
    while chunk := await file.read(64 << 10):
        size += len(chunk)
    return {"name": file.filename, "size": size}


@app.post("/pay")
async def pay(name: str = Depends(user)) -> dict:
    return {"paid_by": name}


@app.get("/admin/stats")
async def stats() -> dict:  # mistake: the check was forgotten
    return {"items": len(items), "refreshers": list(refreshers)}


@app.get("/slow")
async def slow(name: str = Depends(user)) -> dict:
    await asyncio.sleep(1)
    return {"detail": "at last"}


@app.get("/events")
async def events(count: int = 5, name: str = Depends(user)) -> StreamingResponse:
    async def stream():
        for n in range(1, count + 1):
            yield f"id: {n}\ndata: {json.dumps({'for': name})}\n\n"
            await asyncio.sleep(0.2)

    return StreamingResponse(stream(), media_type="text/event-stream")


@app.websocket("/ws")
async def echo(socket: WebSocket) -> None:
    await socket.accept()  # mistake: from whatever origin, with whatever token
    try:
        while True:
            await socket.send_text(await socket.receive_text())
    except Exception:  # the other end has gone
        return
