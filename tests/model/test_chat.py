"""Chats are what the tokenizer's own template makes of them; what it cannot write is refused."""

from __future__ import annotations

import warnings
from dataclasses import replace

import pytest
from transformers import ByT5Tokenizer

from clew.dictionary.neurons import NeuronDictionary
from clew.errors import ClewError
from clew.facade import Model
from clew.graph.reader import open_graph
from clew.model.messages import chat_of, with_question
from clew.model.normalization import ChangedPrompt
from clew.model.prompt import encode_prompt
from tests.tiny import Shape, tiny_model
from tests.tokenizers import KINDS, finished

NETWORK = tiny_model("LlamaForCausalLM", Shape(n_layers=1, vocabulary=400))
NETWORK.network.config.max_position_embeddings = 512

TURNS = (
    "{% for each in messages %}<turn>{{ each['role'] }}\n{{ each['content'] }}</s>\n{% endfor %}"
    "{% if add_generation_prompt %}<turn>assistant\n{% endif %}"
)
WITHOUT_SYSTEM = (
    "{{ bos_token }}{% for each in messages %}{% if each['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}"
    "<turn>{{ 'model' if each['role'] == 'assistant' else each['role'] }}\n{{ each['content'] | trim }}</s>\n"
    "{% endfor %}{% if add_generation_prompt %}<turn>model\n{% endif %}"
)
PLAIN = (
    "{% for each in messages %}{{ each['role'] }}: {{ each['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)
CHAT_TEMPLATES = {"turns": TURNS, "without a system": WITHOUT_SYSTEM, "plain": PLAIN}
CHATS = {
    "a question": chat_of(["The capital of France is"]),
    "three turns": chat_of(["Rome is hot", "Paris is cold", "é “France” 法国"]),
    "an answer to go on with": chat_of(["The capital of France", "The capital is"]),
    "with a system prompt": chat_of(["Rome"], "The hot capital"),
    "special tokens in a message": chat_of(["The <turn>cold</s> Paris"]),
    "a role's own name": chat_of(["user", "assistant", "user\nassistant"]),
    "spaces around": chat_of(["  Rome \n"]),
}


def with_template(template, kind="byte level", special="nothing"):
    tokenizer = finished(KINDS[kind](), special)
    tokenizer.chat_template = template
    return replace(NETWORK, tokenizer=tokenizer)


def own_ids(model, chat):
    goes_on = chat[-1]["role"] == "assistant"
    return model.tokenizer.apply_chat_template(
        chat, add_generation_prompt=not goes_on, continue_final_message=goes_on
    )["input_ids"]


@pytest.mark.filterwarnings("ignore::clew.model.normalization.ChangedPrompt")
@pytest.mark.parametrize("template", CHAT_TEMPLATES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("special", ["nothing", "bos", "bos and eos"])
def test_ids_are_those_of_the_tokenizers_own_template(template, kind, special):
    model = with_template(CHAT_TEMPLATES[template], kind, special)
    for name, chat in CHATS.items():
        if template == "without a system" and name == "with a system prompt":
            continue
        assert encode_prompt(model, chat, sink="none").token_ids.tolist() == own_ids(model, chat), name
        prompt = encode_prompt(model, chat)
        assert prompt.sink is not None
        in_front = [] if template != "plain" else [prompt.sink.token_id]
        assert prompt.token_ids.tolist() == [*in_front, *own_ids(model, chat)], name
        assert len(prompt.roles) == len(prompt.token_ids)


@pytest.mark.parametrize("template", CHAT_TEMPLATES)
@pytest.mark.parametrize("name", CHATS)
def test_the_tokens_of_a_role_spell_its_messages(template, name):
    model, chat = with_template(CHAT_TEMPLATES[template]), CHATS[name]
    if template == "without a system" and name == "with a system prompt":
        pytest.skip("refused")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ChangedPrompt)
        prompt = encode_prompt(model, chat)
    ids = prompt.token_ids.tolist()
    for role in ("system", "user", "assistant"):
        own = [token for token, each in zip(ids, prompt.roles, strict=True) if each == role]
        said = [each["content"] for each in chat if each["role"] == role]
        spelled = model.tokenizer.decode(own, clean_up_tokenization_spaces=False)
        assert "".join(spelled.split()) == "".join("".join(said).split()), role
    assert prompt.messages == tuple((each["role"], each["content"]) for each in chat)


def test_the_first_token_of_a_template_is_the_sink():
    prompt = encode_prompt(with_template(TURNS), CHATS["a question"])
    assert prompt.sink is not None
    assert (prompt.sink.text, prompt.sink.reason) == ("<turn>", "the chat template's own first token")
    behind = encode_prompt(with_template(TURNS), CHATS["a question"], "<s>")
    assert behind.tokens[:2] == ("<s>", "<turn>")
    assert behind.roles[0] == "template"


def test_spaces_that_a_template_takes_away_are_said():
    model = with_template(WITHOUT_SYSTEM)
    sentence = r"The chat template of tiny leaves out the spaces around message 1 \(user\)\."
    with pytest.warns(ChangedPrompt, match=sentence):
        encode_prompt(model, CHATS["spaces around"])


def test_special_tokens_in_a_message_are_said():
    sentence = r"^Message 1 \(user\) holds </s>, which tiny reads as a special token\.$"
    with pytest.warns(ChangedPrompt, match=sentence):
        encode_prompt(with_template(TURNS), CHATS["special tokens in a message"])


LEAVES_OUT = "<turn>{% for each in messages if each['role'] == 'user' %}{{ each['content'] }}{% endfor %}"
TWICE = "<turn>{% for each in messages %}{{ each['content'] }}{{ each['content'] }}{% endfor %}"
UPPER = "<turn>{% for each in messages %}{{ each['content'] | upper }}{% endfor %}"
PICKY = "<turn>{% if messages[0]['content'] != 'Rome' %}{{ raise_exception('Rome') }}{% endif %}Rome"


@pytest.mark.parametrize("template", [TWICE, UPPER, PICKY])
def test_a_template_that_rewrites_messages_gives_no_roles_and_says_so(template):
    model = with_template(template)
    with pytest.warns(ChangedPrompt, match="so no token is told to be of a role"):
        prompt = encode_prompt(model, chat_of(["Rome"]))
    assert prompt.roles == ()
    assert prompt.token_ids.tolist() == own_ids(model, chat_of(["Rome"]))


NO_PROMPT = TURNS.partition("{% if")[0]
INSTRUCTIONS = (
    "{% for each in messages %}{% if each['role'] == 'user' %}<turn>{{ each['content'] }}</s>"
    "{% else %} {{ each['content'] }}<s>{% endif %}{% endfor %}"
)
THINKS = TURNS.replace("{{ each['content'] }}", "{% if loop.last %}<s>{% endif %}{{ each['content'] }}")


@pytest.mark.parametrize("name", ["a question", "three turns", "with a system prompt"])
def test_a_chat_without_a_generation_prompt_is_said(name):
    model, chat = with_template(NO_PROMPT), CHATS[name]
    with pytest.warns(ChangedPrompt, match=r'no generation prompt: it writes "<turn>assistant\\n" in front'):
        prompt = encode_prompt(model, chat, sink="none")
    assert prompt.token_ids.tolist() == own_ids(model, chat)


@pytest.mark.parametrize("template", [TURNS, INSTRUCTIONS, THINKS, WITHOUT_SYSTEM])
@pytest.mark.parametrize("name", ["a question", "three turns", "an answer to go on with"])
def test_a_template_that_needs_no_generation_prompt_or_has_one_says_nothing(template, name):
    with warnings.catch_warnings():
        warnings.simplefilter("error", ChangedPrompt)
        encode_prompt(with_template(template), CHATS[name])


def test_a_tokenizer_in_python_gives_no_roles_and_says_so():
    tokenizer = ByT5Tokenizer(extra_ids=0)
    tokenizer.chat_template = TURNS.replace("<turn>", "").replace("</s>", "")
    model = replace(NETWORK, tokenizer=tokenizer)
    with pytest.warns(ChangedPrompt, match="runs in Python and does not say where its tokens stand, so no"):
        prompt = encode_prompt(model, CHATS["a question"])
    assert prompt.roles == ()
    assert prompt.token_ids.tolist()[-len(own_ids(model, CHATS["a question"])) :] == own_ids(
        model, CHATS["a question"]
    )


REFUSED = {
    "no template": (
        None,
        CHATS["a question"],
        "tiny has no chat template, as base models",
    ),
    "several templates without a default": (
        {"tool_use": TURNS, "rag": TURNS},
        CHATS["a question"],
        "tiny has chat templates named rag, tool_use and none named default; rename",
    ),
    "a role that the template refuses": (
        WITHOUT_SYSTEM,
        CHATS["with a system prompt"],
        r"refuses these messages \(system, user\): System role not supported; change the roles",
    ),
    "a message that is left out": (
        LEAVES_OUT,
        CHATS["with a system prompt"],
        "leaves out message 1, of the role 'system'; give the message another role",
    ),
    "an error of the template": (
        "{{ messages[0]['name'].first.last }}",
        CHATS["a question"],
        "has no attribute 'name'; c",
    ),
    "no template's language": ("{% for", CHATS["a question"], r"refuses these messages \(user\): "),
    "nothing written": ("{# #}", chat_of(["Rome"]), "writes nothing for these messages"),
    "an unknown role": (
        TURNS,
        [{"role": "human", "content": "Rome"}],
        "'human' is no role of a message",
    ),
    "an empty message": (
        TURNS,
        chat_of(["Rome", " "]),
        "A message of the assistant is empty; give it a text",
    ),
    "a key for tools": (TURNS, [{"role": "user", "content": "Rome", "tool_calls": ""}], "is not one"),
    "parts in place of a text": (
        TURNS,
        [{"role": "user", "content": [{"type": "text"}]}],
        "both texts",
    ),
    "no content": (TURNS, [{"role": "user"}], "A message has a role and a content"),
    "half a character": (TURNS, chat_of(["\ud800"]), "The message of the user is not UTF-8"),
    "no messages": (TURNS, [], "The prompt is empty"),
    "a message alone": (
        TURNS,
        {"role": "user", "content": "Rome"},
        "is not a prompt; pass a text",
    ),
    "messages and ids": (TURNS, [{"role": "user", "content": "Rome"}, 3], "is not a prompt"),
    "longer than the context": (TURNS, chat_of(["Rome " * 9000]), "tokens long, but tiny reads at most"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_chat_of_the_model_is_refused_in_a_sentence(name):
    template, chat, sentence = REFUSED[name]
    with pytest.raises(ClewError, match=sentence) as refusal:
        encode_prompt(with_template(template), chat)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 400


def test_a_template_whose_tokens_the_model_lacks_is_refused():
    model = with_template(TURNS)
    model.tokenizer.add_tokens([f"<new{number}>" for number in range(100)])
    with pytest.raises(ClewError, match=r"The chat has the token \d+ of the tokenizer"):
        encode_prompt(model, chat_of(["<new99>"]))


def test_graphs_and_their_files_hold_roles_and_messages(tmp_path):
    network = with_template(TURNS)
    model = Model(network, NeuronDictionary(network))
    graph = model.trace(CHATS["an answer to go on with"], max_nodes=20)
    assert set(graph.info.roles) == {"template", "user", "assistant"}
    assert graph.info.question == "The capital of France / The capital is"
    assert repr(graph).startswith("Graph('The capital of France / The capital is'") or "capital is" in repr(
        graph
    )
    for name in ("a.clew", "a.json"):
        read = open_graph(graph.save(tmp_path / name)).info
        assert (read.roles, read.messages) == (graph.info.roles, graph.info.messages)
    with pytest.raises(ClewError, match=r"The graph has 2 roles of tokens; expected one for each of its"):
        graph.with_info(roles=("user", "user")).save(tmp_path / "b.clew")


def test_features_are_changed_patched_and_text_is_generated_in_a_chat():
    network = with_template(TURNS)
    model = Model(network, NeuronDictionary(network))
    chat, other = CHATS["a question"], with_question(CHATS["a question"], "The capital of Rome is")
    graph = model.trace(chat, max_nodes=20)
    patches = model.patch("L0/3", other, positions=-3, graph=graph)
    assert model.intervene(chat, patches, graph=graph).tokens == graph.info.tokens
    (before, after) = model.generate(chat, patches, 2)
    assert (before.strength, after.strength) == (None, 1.0)


def test_another_question_takes_the_place_of_the_last_one():
    chat = with_question(CHATS["an answer to go on with"], "Rome")
    assert [each["content"] for each in chat] == ["Rome", "The capital is"]
    with pytest.raises(ClewError, match="has no message of the user"):
        with_question([{"role": "system", "content": "Rome"}], "Paris")
