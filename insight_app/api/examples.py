"""How programs ask, ready to be copied: with this server's own address, and a model that it has."""

from __future__ import annotations

import json
import shlex

from insight_app.words import N_

KEY = "YOUR_KEY"


def examples(address: str, model: str, *, with_key: bool) -> dict[str, str]:
    """Each as Markdown, by the name of its language."""
    key = KEY if with_key else "none-is-needed"
    named = json.dumps(model)
    messages = '[{"role": "user", "content": "Why is the sky blue?"}]'
    body = shlex.quote(f'{{"model": {named}, "stream": true,\n       "messages": {messages}}}')
    sign = f"  -H 'Authorization: Bearer {key}' \\\n" if with_key else ""
    header = f', "Authorization": "Bearer {key}"' if with_key else ""
    return {
        "curl": _fence(
            "sh",
            f"curl -N {address}/v1/chat/completions \\\n  -H 'Content-Type: application/json' \\\n{sign}  -d {body}",
        ),
        "Python": _fence(
            "python",
            f"""# pip install openai
from openai import OpenAI

client = OpenAI(base_url="{address}/v1", api_key="{key}")
stream = client.chat.completions.create(
    model={named},
    messages=[{{"role": "user", "content": "Why is the sky blue?"}}],
    stream=True,
    extra_body={{"keep_alive": "10m"}},  # Ollama's own: num_ctx, keep_alive, think
)
for chunk in stream:
    print(chunk.choices[0].delta.content or "", end="", flush=True)""",
        ),
        "JavaScript": _fence(
            "js",
            f"""// Node, Deno or Bun; a page of another site is not let in.
const response = await fetch("{address}/v1/chat/completions", {{
  method: "POST",
  headers: {{"Content-Type": "application/json"{header}}},
  body: JSON.stringify({{
    model: {named},
    messages: [{{role: "user", content: "Why is the sky blue?"}}],
  }}),
}});
const answer = await response.json();
if (!response.ok) throw new Error(answer.error.message);
console.log(answer.choices[0].message.content);""",
        ),
        N_("A conversation that is kept"): _fence(
            "sh",
            f"curl -N {address}/api/chat \\\n  -H 'Content-Type: application/json' \\\n{sign}"
            """  -d '{"message": "Why is the sky blue?"}'""",
        ),
    }


def _fence(language: str, code: str) -> str:
    return f"```{language}\n{code}\n```\n"
