from __future__ import annotations

from conductor.sandbox.environment import allowed_environment


def test_only_what_is_known_to_be_harmless_is_passed_on() -> None:
    kept = "PATH HOME LANG LC_ALL TERM VIRTUAL_ENV PYTHONPATH CARGO_HOME NO_COLOR GIT_AUTHOR_NAME CI"
    gone = (
        "OPENAI_API_KEY NEXT_SERVICE DATABASE_URL SSH_AUTH_SOCK GIT_ASKPASS LD_PRELOAD BASH_ENV PYTHONSTARTUP DISPLAY"
    )
    environ = dict.fromkeys(f"{kept} {gone}".split(), "x")
    assert set(allowed_environment(environ)) == set(kept.split())


def test_an_address_with_a_password_is_not() -> None:
    assert allowed_environment({"GOFLAGS": "-x=https://me:pw@host/", "TZ": "UTC"}) == {"TZ": "UTC"}


def test_what_the_user_names_is() -> None:
    assert allowed_environment({"API_KEY": "k", "OTHER": "o"}, ("API_KEY", "MISSING")) == {"API_KEY": "k"}
