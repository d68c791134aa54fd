"""The HTTP API: accounts, links, statistics, health."""

from __future__ import annotations

from aiohttp import web

from service.api import accounts, health, links, stats
from service.problems import guarded


def add_routes(app: web.Application) -> None:
    """Add the API's routes; HEAD comes with every GET."""
    router = app.router
    router.add_get("/healthz", guarded(health.healthz))
    router.add_get("/readyz", guarded(health.readyz))
    router.add_post("/api/v1/signup", guarded(accounts.signup))
    router.add_post("/api/v1/login", guarded(accounts.login))
    router.add_post("/api/v1/logout", guarded(accounts.logout))
    router.add_get("/api/v1/me", guarded(accounts.me))
    router.add_post("/api/v1/links", guarded(links.create))
    router.add_get("/api/v1/links", guarded(links.listing))
    router.add_get("/api/v1/links/{code}", guarded(links.read))
    router.add_patch("/api/v1/links/{code}", guarded(links.change))
    router.add_delete("/api/v1/links/{code}", guarded(links.delete))
    router.add_get("/stats/{code}", guarded(stats.stats))
