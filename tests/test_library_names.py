"""What somebody types becomes the name of a model, or is no name of one."""

from __future__ import annotations

import pytest

from insight_app.errors import NotAModelName
from insight_app.library.names import model_name


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("llama3.2", "llama3.2:latest"),
        (" qwen2.5:0.5b ", "qwen2.5:0.5b"),
        ("me/my-model", "me/my-model:latest"),
        ("library/llama3", "llama3:latest"),
        ("hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M", "hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M"),
        ("registry.example.org:5000/me/it", "registry.example.org:5000/me/it:latest"),
        ("ollama pull llama3.2:1b", "llama3.2:1b"),
        ("ollama run mistral", "mistral:latest"),
        ("https://ollama.com/library/gemma3:1b", "gemma3:1b"),
        ("ollama.com/me/it", "me/it:latest"),
        ("https://hf.co/me/it-GGUF", "hf.co/me/it-GGUF:latest"),
    ],
)
def test_a_name_is_understood(typed: str, meant: str) -> None:
    assert model_name(typed) == meant


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "   ",
        "two words",
        "<script>alert(1)</script>",
        "../../etc/passwd",
        "a/b/c/d",
        "-begins-with-a-dash",
        "llama3:",
        ":latest",
        "name@sha256:abc",
        "line\nbreak",
        "ollama rm llama3",
        "lläma",
        "x" * 81,
        "x" * 100_000,
        "me.dot/model",
    ],
)
def test_what_can_be_no_name_is_refused(typed: str) -> None:
    with pytest.raises(NotAModelName):
        model_name(typed)
