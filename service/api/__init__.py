"""The HTTP API: accounts, links, statistics, health."""

from __future__ import annotations

from aiohttp import web

from service.api import accounts, health, links, stats


def add_routes(app: web.Application) -> None:
    """Add the API's routes; HEAD comes with every GET."""
    router = app.router
    router.add_get("/healthz", health.healthz)
    router.add_get("/readyz", health.readyz)
    router.add_post("/api/v1/signup", accounts.signup)
    router.add_post("/api/v1/login", accounts.login)
    router.add_post("/api/v1/logout", accounts.logout)
    router.add_get("/api/v1/me", accounts.me)
    router.add_post("/api/v1/links", links.create)
    router.add_get("/api/v1/links", links.listing)
    router.add_get("/api/v1/links/{code}", links.read)
    router.add_patch("/api/v1/links/{code}", links.change)
    router.add_delete("/api/v1/links/{code}", links.delete)
    router.add_get("/stats/{code}", stats.stats)
