"""Chats with the installed models: an instruction-tuned one, and a base model without a template."""

from __future__ import annotations

import pytest

from clew.errors import ClewError
from clew.model.messages import chat_of
from clew.model.prompt import encode_prompt
from tests.real import real_model

pytestmark = pytest.mark.real
CHATS = (
    chat_of(["What is the capital of France?"]),
    chat_of(["Hi", "Hello! How can I help?", "é “法国” <|im_end|> \n"], "Be brief."),
    chat_of(["What is the capital of France?", "The capital of France is"]),
    chat_of(["Rome"], ""),
)


@pytest.mark.parametrize("chat", CHATS)
def test_a_chat_is_what_the_models_own_template_makes_of_it(chat):
    model = real_model("smollm2")
    goes_on = chat[-1]["role"] == "assistant"
    own = model.tokenizer.apply_chat_template(
        chat, add_generation_prompt=not goes_on, continue_final_message=goes_on
    )
    prompt = encode_prompt(model, chat)
    assert prompt.token_ids.tolist() == own["input_ids"]
    assert prompt.sink is not None
    assert prompt.sink.text == "<|im_start|>"
    user = [token for token, role in zip(own["input_ids"], prompt.roles, strict=True) if role == "user"]
    assert model.tokenizer.decode(user) == "".join(each["content"] for each in chat if each["role"] == "user")


def test_a_base_model_without_a_template_is_refused():
    with pytest.raises(ClewError, match="gemma3-270m has no chat template, as base models have none"):
        encode_prompt(real_model("gemma3-270m"), CHATS[0])
