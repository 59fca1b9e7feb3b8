"""Patterns of texts that people trace; words in braces are filled in, `<<` and `>>` stand for braces."""


def words(text: str) -> tuple[str, ...]:
    """The words of a text."""
    return tuple(text.split())


NAMES = words(
    "Anna Ben Clara David Emma Frank Grace Henry Ivan Julia Kevin Laura Maria Nick Olivia Paul Rachel Sam "
    "Tom Victor Alice Bob Carlos Diana Eric Fatima George Helen Isaac Jane Karl Lucy Mark Nina Oscar Peter "
    "Rosa Simon Tina Walter Yusuf Zoe James Robert William Elizabeth Michael Sarah Daniel Jessica Thomas "
    "Susan Ahmed Amir Andrea Arthur Barbara Brian Carol Charles Chen Chris Cynthia Dennis Donna Edward Ellen "
    "Evelyn Felix Gary Gloria Harold Hassan Ingrid Irene Jack Jason Joan Joseph Judith Katherine Keiko "
    "Kenneth Larry Leo Linda Louis Lisa Marcus Margaret Martin Matthew Mei Nancy Nathan Noah Omar Patricia "
    "Philip Priya Ralph Raj Richard Roger Ruth Sandra Scott Sofia Stephen Steve Teresa Tim Vera "
    "Virginia Wendy Yuki"
)
THINGS = words(
    "book key letter cup picture dog cat boy house tree car teacher student river bridge door window garden "
    "friend doctor ship horse bird flower table chair machine engine song story answer question king queen "
    "lawyer manager farmer painting hat coat shoe bag box phone camera ticket coin ring knife lamp clock map "
    "road field island mountain village town church school library office shop kitchen bottle glass plate "
    "apple cake sandwich guitar piano violin bicycle boat train plane rocket robot computer keyboard screen"
)
LANGUAGES = words(
    "French German Spanish Italian Latin Dutch Portuguese Russian Greek Japanese Chinese Arabic"
)
NUMBER_WORDS = words("one two three four five six seven eight nine ten eleven twelve twenty fifty hundred")
FEW = (" -> ", ": ", " - ", " = ", " is to ", " → ")
"""Signs between the two words of an example."""

FACTS = (
    "The capital of {country} is",
    "Fact: the capital of {country} is",
    "{country} is a country in",
    "{city} is a city in",
    "{city} is the capital of",
    "The official language of {country} is",
    "The currency of {country} is the",
    "The largest city in {country} is",
    "People in {country} speak",
    "{country} borders",
    "The flag of {country} is",
    "The river that flows through {city} is the",
    "The chemical symbol for {element} is",
    "{Element} is a chemical element with the symbol",
    "The atomic number of {element} is",
    "{Element} is used",
    "A {animal} is a kind of",
    "A baby {animal} is called a",
    "A group of {animal}s is called a",
    "The {animal} eats",
    "The {animal} lives in",
    "A {noun} is a",
    "A {noun} is used to",
    "The {noun} is",
    "{Noun} is the study of",
    'The word "{noun}" means',
    'The word "{noun}" comes from',
    "Definition of {noun}:",
    "Q: What is a {noun}?\nA:",
    "Question: Where is {city}?\nAnswer:",
    "Q: Who was {proper}?\nA:",
    "{proper} was born in",
    "{proper} was a",
    "{proper} is located in",
    "{proper} is best known for",
    "{proper} was written by",
    "{proper} wrote",
    "The author of {proper} is",
    "The inventor of the {noun} was",
    "In {year}, {country}",
    "In {year}, {proper}",
    "The war of {year}",
    "{proper} wrote {proper1}. {proper1} was written by",
    "The past tense of {verb} is",
    "The plural of {thing} is",
    "The {language} word for {thing} is",
    "The first letter of the word {noun} is",
    "The color of a {noun} is",
    "The opposite of {adjective} is",
    "{Adjective} means the opposite of",
    "Another word for {adjective} is",
)
SENTENCES = (
    "When {name} and {name1} went to the {thing}, {name1} gave a {thing} to",
    "{name1} and {name2} had a {thing}. {name1} gave it to",
    "Then, {name1} and {name2} went to the {thing}. {name2} said to",
    "After {name} met {name} in {city}, they",
    "{name1} told {name2} that the {thing} was lost.",
    "{name1} has a {thing1} and {name2} has a {thing2}. The {thing1} belongs to",
    "{name1} lives in {city} and {name2} lives in {country}. {name1} lives in",
    "{name1} {Noun} was a {thing}. Mr. {Noun}",
    '"I do not know," said {name}. "Perhaps the {thing}',
    '"{Adjective}!" cried {name}.',
    "Dear {name},",
    "My name is {name} and I",
    "The {thing1}s on the {thing2} are {adjective}. The {thing1} on the {thing2}",
    "The {thing1} by the {thing2} is {adjective}. The {thing1}s by the {thing2}",
    "The {thing}s near the {thing}",
    "The {thing} next to the {thing}s",
    "The {thing} that the {thing}s {past}",
    "The {thing}s that the {thing} {past}",
    "Neither the {thing} nor the {thing}s",
    "The {adjective} {thing}s of {country}",
    "Once upon a time, there was a {adjective} {animal}",
    "The {animal} and the {animal}",
    "I went to {city} to buy a {thing}, but",
    "{name} lost the {thing}, so",
    "{name} could not {verb} because",
    "If you want to {verb}, you",
    "Do not {verb} the {thing}",
    "First, take the {thing}. Then",
    "The weather in {city} is",
    "Yesterday, {name} saw a {thing} and a",
    "{name}'s {thing} is {adjective}, but",
    "There are {number} {thing}s in the",
    "It was a {adjective} night, and",
    "My favorite {noun} is",
    "{name}, who {past} the {thing},",
    "Although the {thing} was {adjective},",
    "The more you {verb}, the more",
    "As {adjective} as a",
    "Better {adjective} than",
    "{name}: How are you?\n{name}:",
    "User: What is {noun}?\nAssistant:",
)
LISTS = (
    "{few_shot}",
    "{few_shot}",
    "{few_shot}",
    "{opposite_shots}",
    "{opposite_shots}",
    "{translated}",
    "{translated}",
    "{acronym}",
    "{acronym}",
    "{invented}",
    "{arithmetic}",
    "{number}, {number}, ",
    "{thing}, {thing}, {thing}, and",
    "1. {Noun}\n2. {Noun}\n3.",
    "- {Thing}\n- {Thing}\n-",
    "{letter} is for {noun}, {letter} is for",
    "{thing1} {thing2} {thing1}",
    "{name1}, {name2}, {name3}, {name1}, {name2},",
    "{noun1} {noun2} {noun3} {noun4} {noun1} {noun2}",
    "Monday, Tuesday,",
    "January {number}, {year}",
    "Ingredients:\n- {number} {thing}s\n-",
    "Chapter {number}\n\n",
    "# {Noun}\n\n",
    "Title: {Noun}\nAuthor:",
)
PROGRAMS = (
    "def {verb}_{noun}(",
    "def {verb}({thing}, {thing}):\n    return",
    "class {Noun}:\n    def __init__(self, {thing1}):\n        self.",
    "class {Noun}({Thing}):",
    "import {noun}\n",
    "from {noun} import",
    "for {thing1} in {thing1}s:\n    ",
    "if {thing} ==",
    "while not {adjective}:",
    "{thing1} = [{number}, {number}]\n{thing1}.",
    "<p>The {thing} is",
    '<a href="{noun}">',
    '<<"name": "{name}", "{thing}":',
    "SELECT {thing} FROM",
    "int {verb}(int {thing}, char *{thing1}) <<\n",
    "// {Verb} the {thing}\n",
    "# {Verb} the {thing}\ndef",
    "$ git",
    "```python\n",
    'raise ValueError("{Thing}',
)
FAMILIES = (FACTS, FACTS, SENTENCES, SENTENCES, LISTS, LISTS, PROGRAMS)
