"""The shading of tokens by their probability stays in a saved notebook."""

from __future__ import annotations

from playwright.sync_api import expect

from .conftest import OpenNotebook


def test_shading_and_the_probabilities_that_it_tells_outlive_the_kernel(
    open_notebook: OpenNotebook,
) -> None:
    notebook = open_notebook(
        '%config Cnai.base_url = "demo"',
        "%%cnai demo-ngram --logprobs 2 -n 30 --seed 3\nThe value of",
    )
    notebook.run(0, 1, 2)

    def check() -> None:
        shaded = notebook.outputs(2).locator("span[title*='likely here']")
        expect(shaded).to_have_count(30)
        colours = shaded.evaluate_all("spans => spans.map(span => getComputedStyle(span).backgroundColor)")
        assert len([each for each in colours if each != "rgba(0, 0, 0, 0)"]) > 5
        expect(notebook.outputs(2)).to_contain_text("demo-ngram · turn 1")

    check()
    notebook.saved()
    notebook.end_kernel()
    notebook.open_again()
    check()
