"""Personal data is found where it is, whole, and not in what only looks like it.

Every number here is made up, or stands in the documentation of its kind; a tiny finder stands in for the screen.
"""

from __future__ import annotations

import os
import random
import re
from functools import cache
from typing import Any

import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum import luhn

from insight_app.moderation.detectors import DETECTORS, Detector, chosen
from insight_app.moderation.identities import COUNTRIES, FORMS

EXAMPLES = int(os.environ.get("HYPOTHESIS_EXAMPLES", "100"))
ALL = (*DETECTORS, *chosen("telephone DE FR GB US IT DK, national id " + " ".join(sorted(COUNTRIES))))


@cache
def compiled(shape: str) -> Any:
    return re2.compile(shape)


def found(text: str, detectors: tuple[Detector, ...] = DETECTORS) -> list[tuple[str, str]]:
    """What is found as the contract says: the shape at every place, then the length."""
    places: list[tuple[str, str]] = []
    for detector in detectors:
        place = 0
        while begun := compiled(detector.shape).search(text, place):
            place = begun.start()
            end = min(len(text), place + detector.longest)
            candidate = compiled(detector.shape).match(text, place, end)
            length = detector.length(candidate[0]) if candidate else 0
            if length:
                places.append((detector.name, text[place : place + length]))
            place += length or (detector.skip(candidate[0]) if candidate else 1)
    return places


def card(begins: str, length: int) -> str:
    digits = begins + "".join(random.Random(begins).choices("0123456789", k=length - len(begins) - 1))
    return digits + luhn.calc_check_digit(digits)


def grouped(digits: str, *sizes: int, by: str = " ") -> str:
    rest = iter(digits)
    return by.join("".join(next(rest) for _ in range(size)) for size in sizes)


def key(length: int, letters: str = "0123456789abcdefghijkABCDEFGHIJK") -> str:
    return "".join(random.Random(length).choices(letters, k=length))


VISA = card("4", 16)
BASE64 = key(64, "0123456789abcdefghijkABCDEFGHIJK+/")
PEM = f"-----BEGIN RSA PRIVATE KEY-----\n{BASE64}\n{BASE64}\n{BASE64[:18]}==\n-----END RSA PRIVATE KEY-----"
PGP = PEM.replace("RSA PRIVATE KEY", "PGP PRIVATE KEY BLOCK").replace("-----\n", "-----\nVersion: GnuPG v2\n\n", 1)

# What is found, whole, between brackets: [name: text].
FOUND = [
    ("e-mail address", "anna@example.com"),
    ("e-mail address", "anna.maria-b+news@mail.example.co.uk"),
    ("e-mail address", "o'hara_7@example.museum"),
    ("e-mail address", "ANNA@EXAMPLE.COM"),
    ("e-mail address", "jörg@müller.example"),
    ("e-mail address", "анна@пример.рф"),
    ("e-mail address", "anna@xn--mller-kva.xn--p1ai"),
    ("telephone number", "+49 30 12345678"),
    ("telephone number", "+49 (0)30 12345678"),
    ("telephone number", "+49-151-12345678"),
    ("telephone number", "+4915112345678"),
    ("telephone number", "+1 (202) 555-0123"),
    ("telephone number", "+1\u00a0202\u00a0555\u20110123"),
    ("telephone number", "+33 1 23 45 67 89"),
    ("telephone number", "+44 20 7946 0958"),
    ("telephone number", "0049 30 12345678"),
    ("telephone number", "004915112345678"),
    ("telephone number", "001 202 555 0123"),
    ("payment card", VISA),
    ("payment card", grouped(VISA, 4, 4, 4, 4)),
    ("payment card", grouped(VISA, 4, 4, 4, 4, by="-")),
    ("payment card", grouped(VISA, 4, 4, 4, 4, by=".")),
    ("payment card", grouped(VISA, 4, 4, 4, 4, by="\u00a0")),
    ("payment card", "4111 1111 1111 1111"),
    ("payment card", card("4", 13)),
    ("payment card", card("4", 19)),
    ("payment card", card("55", 16)),
    ("payment card", card("2221", 16)),
    ("payment card", card("2720", 16)),
    ("payment card", card("37", 15)),
    ("payment card", grouped(card("34", 15), 4, 6, 5)),
    ("payment card", card("6011", 16)),
    ("payment card", card("644", 16)),
    ("payment card", card("36", 14)),
    ("payment card", grouped(card("305", 14), 4, 6, 4)),
    ("payment card", card("3528", 16)),
    ("payment card", card("62", 16)),
    ("payment card", card("6759", 18)),
    ("IBAN", "DE89370400440532013000"),
    ("IBAN", "DE89 3704 0044 0532 0130 00"),
    ("IBAN", "de89 3704 0044 0532 0130 00"),
    ("IBAN", "BE71 0961 2345 6769"),
    ("IBAN", "NO93 8601 1117 947"),
    ("IBAN", "GB82WEST12345698765432"),
    ("IBAN", "MT84 MALT 0110 0001 2345 MTLC AST0 01S"),
    ("IP address", "192.0.2.17"),
    ("IP address", "10.0.0.1"),
    ("IP address", "2001:db8::1"),
    ("IP address", "2001:0db8:85a3:0000:0000:8a2e:0370:7334"),
    ("IP address", "fe80::1ff:fe23:4567:890a"),
    ("IP address", "fd00::"),
    ("API key", "AKIAIOSFODNN7EXAMPLE"),
    ("API key", f"ghp_{key(36)}"),
    ("API key", f"github_pat_{key(22)}_{key(59)}"),
    ("API key", f"glpat-{key(20)}"),
    ("API key", f"xoxb-123456789012-1234567890123-{key(24)}"),
    ("API key", f"AIza{key(35)}"),
    ("API key", f"sk-{key(48)}"),
    ("API key", f"sk-proj-{key(80)}_{key(70)}"),
    ("API key", f"sk-ant-api03-{key(93)}AA"),
    ("API key", f"sk_live_{key(24)}"),
    ("API key", f"rk_test_{key(24)}"),
    ("API key", f"hf_{key(34)}"),
    ("API key", f"npm_{key(36)}"),
    ("API key", f"pypi-AgEIcHlwaS5vcmc{key(100)}"),
    ("API key", f"SG.{key(22)}.{key(43)}"),
    ("API key", f"eyJ{key(33)}.eyJ{key(200)}.{key(43)}"),
    ("API key", f"eyJ{key(33)}.eyJ{key(1900)}.{key(342)}"),
    ("password in an address", "postgres://anna:s3gehe!m@"),
    ("password in an address", "redis://:s3gehe!m@"),
    ("private key", PEM),
    ("private key", PEM.replace("\n", "\r\n")),
    ("private key", PEM.replace("\n", "\\n")),
    ("private key", PEM.replace("RSA ", "OPENSSH ")),
    ("private key", PEM.replace("-----\n", "-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,01AB\n\n", 1)),
    ("private key", PEM.replace("\n", "\n    ")),
    ("private key", PGP),
    ("private key", "-----BEGIN PRIVATE KEY-----"),
    ("private key", PEM.partition("\n-----END")[0]),
]


AROUND = ["{}", "It is {}. Or not", "({})", "“{}”, he", "x={}\n7 of them", "号{}号", "a {} 2 b"]


def goes_on(name: str, text: str, around: str) -> bool:
    """Whether the next line is a part of it: of a key whose end is not there it is."""
    return name == "private key" and "END" not in text and "\n" in around


@pytest.mark.parametrize(
    ("name", "text", "around"),
    [(*one, around) for one in FOUND for around in AROUND if not goes_on(*one, around)],
)
def test_it_is_found_whole(name: str, text: str, around: str) -> None:
    assert (name, text) in found(around.format(text))


# Strong forms first, then those that are looked for only in their country. From python-stdnum's documentation.
IDENTITIES = {
    "AT": ["1237 010180"],
    "AR": ["20-05536168-2"],
    "BE": ["85.07.30-033.28", "85 07 30 033 28", "85073003328"],
    "BR": ["390.533.447-05"],
    "CH": ["756.9217.0769.85", "7569217076985"],
    "CL": ["12.531.909-2"],
    "CN": ["360426199101010071"],
    "CZ": ["710319/2745"],
    "DE": ["36 574 261 809", "36574261809"],
    "EE": ["36805280109"],
    "ES": ["54362315-K", "54362315K", "X-2482300W", "x2482300w"],
    "FI": ["131052-308T", "131052A308T"],
    "FR": ["2 95 10 99 126 111 93", "295109912611193"],
    "GR": ["01013099997"],
    "IS": ["120174-3399"],
    "IT": ["RCCMNL83S18D969H"],
    "KR": ["971013-9019902"],
    "LT": ["33309240064"],  # made as in Estonia
    "MX": ["BOXW310820HNERXN09"],
    "NL": ["1112.22.333"],
    "NO": ["15108695088", "151086 95088"],
    "PT": ["00000000 0 ZZ4", "000000000ZZ4"],
    "RO": ["1630615123457"],
    "SE": ["880320-0016", "19880320-0016"],
    "SK": ["710319/2745"],
    "TH": ["1-2345-45678-78-1"],
    "ZA": ["7503305044089"],
}
IN_THEIR_COUNTRY = {
    "AU": ["123 456 782", "123456782"],
    "BG": ["8032056031"],
    "BR": ["39053344705"],
    "CA": ["123-456-782"],
    "CO": ["213.123.432-1"],
    "CZ": ["7103192745"],
    "DK": ["211062-5629"],
    "DO": ["001-1391820-5"],
    "EC": ["171430710-3"],
    "GB": ["943-476-5870", "943 476 5870", "9434765870"],
    "HR": ["33392005961"],
    "IE": ["6433435F", "6433435OA"],
    "IL": ["3933742-3"],
    "IN": ["2341 2341 2346"],
    "LV": ["161175-19997"],
    "NL": ["111222333"],
    "PE": ["10117410-2"],
    "PL": ["44051401359"],
    "PT": ["501 964 843"],
    "SE": ["8803200016"],
    "SI": ["0101006500006"],
    "TR": ["17291716060"],
    "UA": ["1759013776"],
    "US": ["536-90-4399"],
}
STRONG = [(country, text) for country, texts in IDENTITIES.items() for text in texts]
WEAK = [(country, text) for country, texts in IN_THEIR_COUNTRY.items() for text in texts]


@pytest.mark.parametrize(("country", "text"), STRONG)
def test_a_strong_national_id_is_found_everywhere(country: str, text: str) -> None:
    assert ("national id", text) in found(f"No. {text}, 3 of them", chosen("national id"))
    assert ("national id", text) in found(f"No. {text}", chosen(f"national id {country}"))


@pytest.mark.parametrize(("country", "text"), WEAK)
def test_a_weak_national_id_is_found_only_where_its_country_is_named(country: str, text: str) -> None:
    assert ("national id", text) in found(f"No. {text}, 3 of them", chosen(f"national id {country}"))
    assert not found(f"No. {text}, 3 of them", chosen("national id"))


def test_every_country_with_national_ids_has_an_example() -> None:
    assert {country for country, *_ in FORMS} == COUNTRIES == IDENTITIES.keys() | IN_THEIR_COUNTRY.keys()


@pytest.mark.parametrize(
    ("countries", "text"),
    [
        ("DE", "030 12345678"),
        ("DE", "(030) 12345678"),
        ("DE", "0151/12345678"),
        ("DE", "015112345678"),
        ("FR", "01 23 45 67 89"),
        ("FR", "06.12.34.56.78"),
        ("UK", "020 7946 0958"),
        ("US", "(202) 555-0123"),
        ("US", "202-555-0123"),
        ("US", "1 202 555 0123"),
        ("IT", "02 1234 5678"),
        ("DK", "32 12 34 56"),
        ("DE US", "202.555.0123"),
    ],
)
def test_a_national_telephone_number_is_found_where_its_country_is_named(countries: str, text: str) -> None:
    assert ("telephone number", text) in found(f"Tel. {text}.", chosen(f"telephone {countries}"))
    assert not found(f"Tel. {text}.", chosen("telephone"))


ORDINARY = """
On 2024-11-22 at 12:30:45 we met; on 22.11.2024, 11/22/2024 and 2024/11/22 12:30 too. 2024-11-22T12:30:45.123456+01:00
2021 2022 2023 2024 2025, from 1999-2024, 20241122, 20241122123045, 1732278645, 1732278645123, 1732278645123456789
It costs 1.234.567,89 € or $1,234,567.89, 12,50 to 99.99, 4 000 000 000, +1000000, +12.5 %, 1e+10, -40.2
Versions 1.2.3, 1.2.3.4.5, v1.2.3.4, 10.0.19045.3803, 2.0.0-rc.1, 120.0.6099.109, 1.2.3.4-beta, 0.0.0.0, 127.0.0.1
255.255.255.0
ISBN 978-3-16-148410-0, 9783161484100, 0-306-40615-2, 080442957X, 4006381333931
0317-8471, 978 0 306 40615 7
da39a3ee5e6b4b0d3255bfef95601890afd80709 d41d8cd98f00b204e9800998ecf8427e 3f786850e387550fdab836ed7e6dc881de23001b
123e4567-e89b-12d3-a456-426614174000 550e8400-e29b-41d4-a716-446655440000 {6F9619FF-8B86-D011-B42D-00CF4FC964FF}
0.1 + 0.2 = 0.30000000000000004, pi = 3.141592653589793238462643383279, e = 2.718281828459045, 0.4111111111111111
12 × 34 = 408, 5+4915112345, 2**64 = 18446744073709551616, 6.02214076e23 4,111,111,111,111,111
a[1:2], x[100::2], std::vector<int>, dead::beef, face::add(b), Vec::new(), 00:1a:2b:3c:4d:5e
16:27:ac:a5:76:28:2d:36:63:1b
git@github.com:a/b.git icon@2x.png A @ B.mean() x@w.mean(0) @app.route lodash@4.17.21 user@localhost @anna, a@b, 3@4.5
sk-loading-spinner-animation-container task-1234567890abcdefghijklmn sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxx npm_config_registry
hf_transformers_cache github_pat_your_token_here AKIA and ASIA, eyJ, SG.1, risk-free, ghp_
glpat-your-token-goes-here-please
http://localhost:8080/a@b https://example.com:443/x postgres://user:password@db mysql://root:${PASSWORD}@db http://u:<pw>@x
-----BEGIN PUBLIC KEY----- -----BEGIN CERTIFICATE----- BEGIN PRIVATE KEY -----BEGIN-----
4111 1111 1111 1112, 41111111111111111111, 1111 1111 1111 1111, 4111111111111111a, x4111111111111111, 4242
DE89 3704 0044 0532 0130 01, XX89370400440532013000, DE89, NO93 BE71 word form that have four
192.168.1, 192.168.1.256, 300.1.2.3, 1.2.3.4.5.6, 01.02.03.04, 2001:db8, 2001::db8::1, 12:30, 1:2:3:4:5:6:7:8:9
+49, +49 30, 0049, 00123, 0012345678901, 0800, 110, +999 12345678, 12345678, 0123456789, 5551234567
Room 101, page 12-34, 3-2-1, 10:9, 16:9, 4x4, 1920x1080, #1234567, No. 12345678, tracking 1Z999AA10123456784
for i in range(10): print(f"{i:>04d}")  # 0000 0001 0002; 0xdeadbeef, 0b1010, \\x00\\x01, U+1F600, &#128512;
他说：今天是二零二四年十一月二十二日。 Ночью было -15 °C. Ελλάδα 2004. ١٢٣٤٥٦٧٨٩٠ 🙂🙂 ½ ²³
"""


@pytest.mark.parametrize("line", ORDINARY.strip().splitlines())
def test_nothing_is_found_in_ordinary_text(line: str) -> None:
    assert not found(line)


@pytest.mark.parametrize("line", ORDINARY.strip().splitlines()[:5])
def test_dates_prices_versions_and_books_are_no_national_telephone_numbers(line: str) -> None:
    assert not found(line, chosen("telephone DE GB IT DK"))


def test_random_fractions_are_hardly_ever_cards_or_ids() -> None:
    draw = random.Random(4)
    assert not found(" ".join(repr(draw.random()) for _ in range(3000)))


def test_a_private_key_does_not_swallow_what_is_said_about_it() -> None:
    header = "-----BEGIN PRIVATE KEY-----"
    for prose in ("\nThis is how a key begins.", "\n\nThen\nit\ngoes on.", "\\nis the first line", " and so on"):
        assert found(header + prose) == [("private key", header)]
        whole = f"{header}\n{BASE64}\n{BASE64}"
        assert found(whole + prose) == [("private key", whole)]


def test_a_private_key_is_found_up_to_ten_thousand_characters() -> None:
    key = "-----BEGIN PRIVATE KEY-----" + f"\n{BASE64}" * 200
    assert len(found(key)[0][1]) == pytest.approx(10_000, abs=65)


# Every shape's own texts, each with other characters where a digit or letter is wrong, and any text at all.
CANDIDATES = st.one_of(
    st.text(max_size=220),
    st.text("0123456789 .-+()/:@ABCDEFabcdefxyz_\n\\=", max_size=220),
    st.sampled_from(ALL).flatmap(lambda each: st.from_regex(re.compile(each.shape, re.ASCII), fullmatch=False)),
)


@settings(max_examples=EXAMPLES)
@given(CANDIDATES)
def test_a_length_is_within_the_candidate_and_the_same_each_time(text: str) -> None:
    for detector in ALL:
        shape = compiled(detector.shape)
        for begun in shape.finditer(text):
            candidate = shape.match(text, begun.start(), min(len(text), begun.start() + detector.longest))
            if candidate:
                length = detector.length(candidate[0])
                assert 0 <= length <= len(candidate[0])
                assert detector.length(candidate[0]) == length
                assert 1 <= detector.skip(candidate[0]) <= len(candidate[0])


@settings(max_examples=EXAMPLES)
@given(st.sampled_from(ALL), st.text(max_size=300))
def test_no_text_makes_a_detector_raise(detector: Detector, text: str) -> None:
    for begun in compiled(detector.shape).finditer(text):
        detector.length(begun[0])


@settings(max_examples=EXAMPLES)
@given(st.text("abcdefghij ÄÖüß,.!?\n", max_size=200), st.text("klmnop ,\n", max_size=50))
def test_what_surrounds_it_does_not_change_what_is_found(before: str, after: str) -> None:
    assert found(f"{before} {VISA} {after}") == [("payment card", VISA)]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("email", {"e-mail address"}),
        ("E-Mail addresses\nphone", {"e-mail address", "telephone number"}),
        ("credit card, iban", {"payment card", "IBAN"}),
        ("Cards; IPs", {"payment card", "IP address"}),
        ("ip_address", {"IP address"}),
        ("national ids", {"national id"}),
        ("API keys", {"API key"}),
        ("private keys", {"private key"}),
        ("secrets", {"API key", "private key", "password in an address"}),
        ("telephone DE US", {"telephone number"}),
        ("telephone de, us, e-mail", {"telephone number", "e-mail address"}),
        ("national id DE FR ES", {"national id"}),
    ],
)
def test_a_rule_names_what_it_looks_for(text: str, names: set[str]) -> None:
    assert {detector.name for detector in chosen(text)} == names


@pytest.mark.parametrize("text", ["", "  \n , \n"])
def test_an_empty_rule_looks_for_everything(text: str) -> None:
    assert chosen(text) == DETECTORS


def test_what_is_named_twice_is_looked_for_once() -> None:
    assert chosen("card, credit cards, card") == chosen("card")
    assert chosen("telephone US DE") == chosen("phone de us de")


def test_every_detector_can_be_named_as_it_is_called() -> None:
    for detector in DETECTORS:
        assert detector in chosen(detector.name)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("fingerprints", "“fingerprints” is no kind of personal data that is known here. There is: e-mail,"),
        ("card DE", "“card DE” is no kind"),
        ("DE", "“DE” is no kind"),
        ("telephone XX", "No telephone is known for XX."),
        ("national id DE XX", "No national id is known for XX. There is: AR, AT,"),
        ("telephone Germany", "No telephone is known for GERMANY."),
    ],
)
def test_an_unknown_name_is_told_with_what_there_is(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        chosen(text)
