"""Programs that tests need and no wheel brings: installed on Debian as root, else named."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

APACHE_OPENID = "/usr/lib/apache2/modules/mod_auth_openidc.so"
NGINX_JAVASCRIPT = "/usr/lib/nginx/modules/ngx_http_js_module.so"

# Program (or the file of a module), Debian package, which tests need it.
NEEDS = [
    ("chromium", "chromium", "tests/browser"),
    ("node", "nodejs", "tests/interop"),
    ("npm", "npm", "tests/interop"),
    ("apache2", "apache2-bin", "tests/interop"),
    (APACHE_OPENID, "libapache2-mod-auth-openidc", "tests/interop"),
    ("nginx", "nginx", "tests/test_gateway_nginx.py"),
    ("slapd", "slapd", "tests/login_services"),
    ("mariadbd", "mariadb-server-core", "tests/login_services"),
    (NGINX_JAVASCRIPT, "libnginx-mod-http-js", "tests/test_gateway_nginx.py"),
]


def find(program: str) -> str | None:
    """Where the program is; tests start it from there."""
    if program.startswith("/"):
        return program if Path(program).exists() else None
    # Where Debian keeps servers, users have no path to.
    return shutil.which(program) or shutil.which(program, path="/usr/sbin")


def main() -> None:
    missing = [need for need in NEEDS if not find(need[0])]
    if not missing:
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        install([package for _, package, _ in missing])
        return
    for program, package, tests in missing:
        sys.stdout.write(f"{tests} need {program} (Debian package {package}): they are skipped.\n")


def install(packages: list[str]) -> None:
    sys.stdout.write(f"Installing {' and '.join(packages)} for the tests ...\n")
    sys.stdout.flush()
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-qq", "-y", "--no-install-recommends", *packages],
    ):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{' '.join(command)} failed: {done.stderr.strip()[-500:]}")


if __name__ == "__main__":
    main()
