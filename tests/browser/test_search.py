"""What a learner types leads to the section that teaches it, before anything else."""

import pytest

SEARCHES = {
    "ELBO": "chapters/02_latent_variables_and_elbo.html#the-bound",
    "KL": "chapters/02_latent_variables_and_elbo.html#the-kl-between-gaussians",
    "Bloch": "chapters/04_qubits_and_circuits.html#one-qubit-a-point-on-a-sphere",
    "install": "book/how_to_run.html#run-it-in-jupyterlab-on-your-computer",
    "barren plateau": "chapters/05_trainable_circuits.html#when-gradients-vanish",
    "reparameterisation": "chapters/03_vae.html#through-a-draw",
    "inpainting": "chapters/09_image_generation.html#inpainting",
    "parameter shift": "chapters/05_trainable_circuits.html#gradients-by-shifting",
    "posterior collapse": "chapters/03_vae.html#what-the-squared-error-means",
    "own data": "book/how_to_run.html#use-your-own-data-folder",
}


@pytest.mark.parametrize("words", SEARCHES)
def test_the_first_result_teaches(page_over_http, words):
    page = page_over_http(f"search.html?q={words.replace(' ', '+')}").page
    page.wait_for_selector("#search-results .search-summary:has-text('page')")
    found = page.locator("#search-results li a").first.get_attribute("href")
    assert found.split("?")[0].split("#")[0].endswith(SEARCHES[words].split("#")[0])
    assert found.endswith("#" + SEARCHES[words].split("#")[1])


@pytest.mark.parametrize("words", ["encoder", "circuit", "likelihood", "angle"])
def test_teaching_comes_before_the_reference(page_over_http, words):
    page = page_over_http(f"search.html?q={words}").page
    page.wait_for_selector("#search-results .search-summary:has-text('page')")
    addresses = page.locator("#search-results li > a").evaluate_all("all => all.map((a) => a.href)")
    assert not [address for address in addresses[:5] if "/book/api/" in address]
