"""Logos, icons and fonts: what is taken, what is refused and why, and how they are served."""

import contextlib

import pytest
from django.test import Client as Browser
from hypothesis import given
from hypothesis import strategies as st

from branding import svg
from branding.models import Brand, BrandFile
from branding.uploads import KILOBYTE, PURPOSES, Upload
from idp.environment import PROJECT
from tests.brands.pictures import SVG, png, webp, woff2

LOGO, ICON, FONT = PURPOSES["logo"], PURPOSES["favicon"], PURPOSES["font_file"]
NAMESPACES = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
HEAD = f'<svg {NAMESPACES} viewBox="0 0 9 9"'

# What somebody would try, and a part of what is said of it.
HOSTILE = {
    "script": (f"{HEAD}><script>alert(1)</script></svg>", "the element <script>"),
    "script in another case": (f"{HEAD}><SCRIPT>alert(1)</SCRIPT></svg>", "the element <SCRIPT>"),
    "script of a prefix": (
        '<s:svg xmlns:s="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><s:script/></s:svg>',
        "the element <script>",
    ),
    "handler": (f'{HEAD} onload="alert(1)"/>', "the attribute onload"),
    "handler within": (f'{HEAD}><g onclick="x"/></svg>', "the attribute onclick"),
    "foreign object": (f"{HEAD}><foreignObject/></svg>", "the element <foreignObject>"),
    "link": (f'{HEAD}><a href="https://x.example"/></svg>', "the element <a>"),
    "picture of another origin": (
        f'{HEAD}><image href="https://x.example/p.png"/></svg>',
        "the element <image>",
    ),
    "use of another document": (
        f'{HEAD}><use href="https://x.example/a.svg#b"/></svg>',
        "something outside of it",
    ),
    "use by the old attribute": (
        f'{HEAD}><use xlink:href="//x.example/a.svg#b"/></svg>',
        "something outside of it",
    ),
    "use of a script": (f'{HEAD}><use href="javascript:alert(1)"/></svg>', "something outside"),
    "use of data": (f'{HEAD}><use href="data:image/svg+xml,x"/></svg>', "something outside"),
    "animation of an address": (
        f'{HEAD}><animate attributeName="href" to="javascript:x"/></svg>',
        "the element <animate>",
    ),
    "set": (f'{HEAD}><set attributeName="onclick" to="x"/></svg>', "the element <set>"),
    "fill of another origin": (
        f'{HEAD}><path fill="url(https://x.example/a#b)"/></svg>',
        "loads something from elsewhere",
    ),
    "style of another origin": (
        f'{HEAD}><path style="fill:URL( //x.example )"/></svg>',
        "loads something from elsewhere",
    ),
    "style sheet that imports": (
        f"{HEAD}><style>@import '//x.example/a.css';</style></svg>",
        "a rule with @",
    ),
    "style sheet with an escape": (
        f"{HEAD}><style>p{{fill:u\\72l(//x.example)}}</style></svg>",
        "an escape",
    ),
    "style sheet in two pieces": (
        f"{HEAD}><style>p{{fill:ur<!-- -->l(//x.example)}}</style></svg>",
        "elsewhere",
    ),
    "style sheet in two sections": (
        f"{HEAD}><style>p{{fill:ur<![CDATA[l(//x.example)}}]]></style></svg>",
        "elsewhere",
    ),
    "markup in a style sheet": (
        f"{HEAD}><style>&lt;script&gt;</style></svg>",
        "markup in its style sheet",
    ),
    "entity": (
        f'<!DOCTYPE svg [<!ENTITY x "y">]>{HEAD}>&x;</svg>',
        "entities",
    ),
    "entity of a file": (
        f'<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>{HEAD}>&x;</svg>',
        "entities",
    ),
    "billion laughs": (
        f'<!DOCTYPE svg [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>{HEAD}>&b;</svg>',
        "entities",
    ),
    "page": ("<html><script>alert(1)</script></html>", "it begins with <html>"),
    "svg without a namespace": ("<svg viewBox='0 0 1 1'/>", "it begins with <svg>"),
    "page within": (
        f'{HEAD}><html xmlns="http://www.w3.org/1999/xhtml"><script/></html></svg>',
        None,
    ),
    "two documents": (f"{HEAD}/>{HEAD}/>", "junk after document element"),
    "no size": ('<svg xmlns="http://www.w3.org/2000/svg"/>', "no viewBox"),
    "deep": (f"{HEAD}>{60 * '<g>'}{60 * '</g>'}</svg>", "nested more than 50"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_picture_that_could_do_something_is_refused_or_loses_it(name):
    text, reason = HOSTILE[name]
    if reason is None:
        assert b"script" not in svg.rewritten(text.encode())
        return
    with pytest.raises(svg.Refused, match=r".") as refused:
        Upload.checked(text.encode(), LOGO)
    assert reason in str(refused.value)


def test_the_encoding_that_a_document_claims_does_not_count():
    utf7 = f'<?xml version="1.0" encoding="utf-7"?>{HEAD}>+ADw-script+AD4-</svg>'
    assert b"<script" not in svg.rewritten(utf7.encode())
    # A byte order mark does; what is written is UTF-8 in any case.
    assert svg.rewritten(f"{HEAD}/>".encode("utf-16")) == svg.rewritten(f"{HEAD}/>".encode())
    with pytest.raises(svg.Refused):
        svg.rewritten(f"{HEAD}><script/></svg>".encode("utf-16"))


def test_what_drawing_programs_add_is_left_out_and_the_picture_stays():
    drawn = """<?xml version="1.0"?><!-- by a program -->
        <svg xmlns="http://www.w3.org/2000/svg" xmlns:ink="http://www.inkscape.org/x"
             width="40px" height="20" ink:version="1">
          <metadata>who, when</metadata><ink:view zoom="2"><path d="M9"/></ink:view>
          <style>.a{fill:url(#g)}</style>
          <defs><linearGradient id="g"><stop offset="0" stop-color="#123"/></linearGradient></defs>
          <path class="a" d="M0 0h1"/>
        </svg>"""
    written = svg.rewritten(drawn.encode()).decode()
    for gone in ("program", "ink", "metadata", "who", "M9"):
        assert gone not in written
    assert written.startswith('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 20"')
    for kept in (".a{fill:url(#g)}", 'id="g"', 'd="M0 0h1"'):
        assert kept in written


@pytest.mark.parametrize(
    "path", sorted((PROJECT / "docs" / "demo-brands").iterdir()), ids=lambda path: path.name
)
def test_a_picture_is_written_the_same_way_again(path):
    once = svg.rewritten(path.read_bytes())
    assert svg.rewritten(once) == once


@pytest.mark.parametrize(
    ("purpose", "content", "extension"),
    [
        (LOGO, SVG, "svg"),
        (LOGO, b"\xef\xbb\xbf \n" + SVG, "svg"),
        (LOGO, png(), "png"),
        (LOGO, webp(), "webp"),
        (ICON, png(64, 64), "png"),
        (FONT, woff2(), "woff2"),
    ],
)
def test_a_file_is_what_its_bytes_are(purpose, content, extension):
    upload = Upload.checked(content, purpose)
    assert upload.extension == extension
    assert upload.name.endswith(f".{extension}")
    assert Upload.read(upload.data_url) == upload


@pytest.mark.parametrize(
    ("purpose", "content", "reason"),
    [
        (LOGO, b"GIF89a", "is none of SVG, PNG, WEBP"),
        (LOGO, b"", "is none of"),
        (LOGO, woff2(), "is none of"),
        (ICON, webp(), "is none of SVG, PNG"),
        (FONT, SVG, "is no WOFF2"),
        (LOGO, png()[:-4], "is damaged"),
        (LOGO, png().replace(b"IDAT", b"IDAX"), "is damaged"),
        (LOGO, png(behind=b"<script>alert(1)</script>"), "is damaged"),
        (LOGO, png(1, 1, b"acTL"), "moves"),
        (LOGO, png(1025, 1), "is 1025 by 1 pixels: at most 1024 by 1024"),
        (LOGO, png(0, 1), "is 0 by 1 pixels"),
        (LOGO, b"\x89PNG\r\n\x1a\n", "is damaged"),
        (LOGO, webp() + b"x", "is damaged"),
        (LOGO, webp(kind=b"ANIM"), "moves"),
        (LOGO, webp(kind=b"XXXX"), "is damaged"),
        (LOGO, webp(2000, 1), "is 2000 by 1 pixels"),
        (FONT, woff2() + b"x", "is damaged"),
        (FONT, woff2(40), "is damaged"),
        (ICON, SVG.replace(b"M0 0", b"M0 0 " * 2 * KILOBYTE), "has 11 KB: at most 8 KB"),
        (LOGO, b"<svg" + b" " * 300 * KILOBYTE, "at most 256 KB"),
    ],
)
def test_what_is_none_of_the_kinds_or_broken_or_too_large_is_refused(purpose, content, reason):
    with pytest.raises(svg.Refused) as refused:
        Upload.checked(content, purpose)
    assert reason in str(refused.value)


@given(st.binary(max_size=200), st.sampled_from([SVG, png(), webp(), woff2()]), st.integers(0, 90))
def test_no_bytes_do_worse_than_being_refused(noise, content, at):
    for purpose in PURPOSES.values():
        for tried in (noise, content[:at] + noise, content[:at] + noise + content[at:]):
            with contextlib.suppress(svg.Refused):
                upload = Upload.checked(tried, purpose)
                assert len(upload.content) <= purpose.max_bytes
                assert b"script" not in upload.content


# --- Served ---------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_file_is_served_for_ever_and_can_do_nothing():
    brand = Brand(slug="acme", name="Acme", logo=BrandFile.of(Upload.checked(SVG, LOGO)))
    brand.full_clean()
    brand.save()
    brand.refresh_from_db()
    assert bytes(brand.logo.content) == svg.rewritten(SVG)
    answer = Browser().get(f"/brand/files/{brand.logo_id}")
    assert answer.status_code == 200
    assert answer.content == svg.rewritten(SVG)
    assert answer["Content-Type"] == "image/svg+xml"
    assert answer["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer["Content-Security-Policy"]
    assert "default-src 'none'" in answer["Content-Security-Policy"]
    assert not answer.cookies
    again = Browser().get(
        f"/brand/files/{brand.logo_id}", headers={"If-None-Match": answer["ETag"]}
    )
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "name", ["0.svg", "%00.svg", "x.html", "..%2fsettings.svg", f"{60 * 'a'}.png", "a.svg.exe"]
)
def test_what_is_no_file_is_not_found_and_not_repeated(name):
    answer = Browser().get(f"/brand/files/{name}")
    assert answer.status_code == 404
    assert name.encode() not in answer.content


@pytest.mark.django_db
def test_a_brand_keeps_its_file_when_another_one_takes_the_same():
    for slug in ("acme", "globex"):
        Brand.objects.create(slug=slug, name=slug, logo=BrandFile.of(Upload.checked(png(), LOGO)))
    assert BrandFile.objects.count() == 1
