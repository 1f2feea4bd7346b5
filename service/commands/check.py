"""``nmus check``: is the settings file right, and what would the service be made of?"""

from __future__ import annotations

import argparse
import time
from typing import Any

from sqlalchemy import make_url

from service.analyse.registry import Registry
from service.app import references_of, registry_of
from service.certificates import check_certificates
from service.commands.shared import add_json, add_settings, say, say_json, settings_of
from service.config import Destination, Listener, Settings, Web, Workflow
from service.config.security import is_loopback
from service.objects import objects_of
from service.routing import check_workflows
from service.tls import Client, Server
from service.web.opening import access_of, pages_tls


def add_parser(subparsers: Any) -> None:  # noqa: ANN401 - argparse keeps the type private
    """Add ``check``."""
    parser = subparsers.add_parser("check", help="check a settings file and show what the service is made of")
    add_settings(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Status 2 with every wrong key named, else 0."""
    settings = settings_of(args)
    check_access(settings, time.time())
    registry = registry_of(settings)
    check_workflows(settings, registry)
    references_of(settings)
    if args.json:
        say_json(_facts(settings, registry))
        return 0
    listener = settings.listener
    say(f"settings     {args.settings or 'embedded defaults'}: right")
    say(f"data folder  {settings.service.data_folder}")
    if settings.objects.in_use:
        objects_of(settings)  # its authorities are read
        say(f"objects      bucket {settings.objects.bucket} at {settings.objects.endpoint}")
    say(
        f"listener     {listener.ae_title} on {listener.host}:{_ports(listener)}"
        if listener.enabled
        else "listener     off"
    )
    say(f"pages        {_pages(settings.web)}")
    for source in settings.orthanc:
        say(f"source       {source.name}: Orthanc at {source.url}")
    for target in settings.destination:
        say(f"destination  {target.name}: {_where(target)}, {' and '.join(target.objects)}")
    if not settings.destination:
        say("destination  none: results are kept in the data folder and sent nowhere")
    for workflow in settings.workflow:
        say(f"workflow     {_workflow(workflow)}")
    for plugin in registry.plugins:
        say(f"plugin       {plugin.name} {plugin.version}")
    for summary in registry.summaries:
        say(f"summary      {summary.name} {summary.version}")
    for refused in registry.refused:
        say(f"not loaded   {refused.name}: {refused.reason}")
    return 0


def _ports(listener: Listener) -> str:
    plain = [str(listener.port)] if listener.plain else []
    return " and ".join([*plain, *([f"{listener.tls_port} with TLS"] if listener.tls_port is not None else [])])


def _where(target: Destination) -> str:
    if target.orthanc is not None:
        return f"Orthanc at {target.orthanc}"
    if target.dicomweb is not None:
        return f"STOW-RS to {target.dicomweb}"
    return f"{target.ae_title} at {target.host}:{target.port}{' with TLS' if target.tls else ''}"


def _workflow(one: Workflow) -> str:
    plugins = "all plugins" if one.plugins is None else ", ".join(one.plugins) or "no plugin"
    to = "every destination" if one.destinations is None else ", ".join(one.destinations) or "nobody: kept here"
    return f"{one.name}: called {', '.join(one.called)}; {plugins}; to {to}"


def _pages(web: Web) -> str:
    if not web.enabled:
        return "off"
    login = "with login" if web.users_file else "without login"
    if web.socket is not None:
        return f"on {web.socket} (mode {web.socket_mode}), {login}"
    scheme = "https" if web.certificate_file else "http"
    clear = scheme == "http" and not is_loopback(web.host)
    return f"{scheme}://{web.host}:{web.port}, {login}" + ("; PASSWORDS IN CLEAR unless a proxy encrypts" * clear)


def check_access(settings: Settings, now: float) -> None:
    """Load every certificate and key as the service would.

    Raises
    ------
    Misconfigured
        One of them cannot be used, or has ended.
    """
    if settings.listener.tls_port is not None:
        Server(settings.tls)
    if settings.web.enabled:
        access_of(settings)
        if pages := pages_tls(settings.web):
            Server(pages, "web")
    for one in settings.destination:
        if one.tls:
            Client(one, settings.tls)
    check_certificates(settings, now)


def _shown(settings: Settings) -> dict[str, Any]:
    """Without the password that the ledger's address may hold."""
    shown = settings.model_dump(mode="json")
    if settings.service.database:
        shown["service"]["database"] = make_url(settings.service.database).render_as_string(hide_password=True)
    return shown


def _facts(settings: Settings, registry: Registry) -> dict[str, Any]:
    return {
        "settings": _shown(settings),
        "plugins": [{"name": one.name, "version": one.version} for one in registry.plugins],
        "summaries": [{"name": one.name, "version": one.version} for one in registry.summaries],
        "refused": [{"name": one.name, "reason": one.reason} for one in registry.refused],
    }
