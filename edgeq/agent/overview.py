"""What `status` of a service says, for people; read by hosts of any system too."""

from __future__ import annotations

from typing import Any


def status_lines(found: dict[str, Any]) -> list[str]:
    """What `status` says, for people."""
    agent, serving = found["agent"], found["serving"]
    lines = [f"store    {found['store']}"]
    lines += [f"service  {found['mode']}, {_looked_after(found)}" if found["installed"] else "service  not installed"]
    lines += [f"agent    edgeq {agent['agent']}, {str(agent['agent_sha'])[:12]}" if agent else "agent    does not run"]
    lines += [f"serves   release {serving['n']} ({serving['name']}), {serving['state']}"] if serving else []
    lines += [f"update   {found['trial'][:12]} is on trial"] if found.get("trial") else []
    lines += [f"update   {found['why']}"] if found.get("why") else []
    lines += [f"at boot  {found['cron']}    # a line for 'crontab -e'"] if "cron" in found else []
    return lines + [f"{item['severity']}: {item['message']}. {item['hint']}" for item in found.get("findings", [])]


def _looked_after(found: dict[str, Any]) -> str:
    return f"looked after by process {found['supervisor']}" if found["supervisor"] else "does not run"
