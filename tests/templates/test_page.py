from zeebe_connectors.templates.form import form_of
from zeebe_connectors.templates.page import example_input, page_of


def test_a_page_tells_types_defaults_secrets_and_conditions(order):
    page = page_of(order)
    assert "| Port | `port` | whole number |  | `443` |  |  |" in page
    assert (
        "| Username | `authentication.username` | text | yes |  | yes | *Shown when Scheme is `basic` or `digest`.* |"
        in page
    )


def test_bars_in_a_text_do_not_break_the_table(order):
    assert r"| `ORDER_REFUSED` | The server said no \| never. Ask it why. |" in page_of(order)


def test_a_page_names_the_other_job_types_and_what_they_send(order):
    page = page_of(order)
    assert "| Also answers | `test:older:1` |" in page
    assert "| `legacy` | text | Sent by an older template. |" in page


def test_a_page_links_the_example_that_exists(order):
    assert "example.bpmn" not in page_of(order)
    assert "[`example.bpmn`](../../bpmn-examples/example.bpmn)" in page_of(
        order, example="../../bpmn-examples/example.bpmn"
    )


def test_the_example_input_is_valid_for_the_model(order):
    sample = example_input(form_of(order))
    assert sample == {"host": "127.0.0.1", "items": ["a"]}
    assert order.input.model_validate(sample).host == "127.0.0.1"


def test_an_inbound_page_has_no_result_and_no_retries(watch):
    page = page_of(watch)
    assert "| Inbound type | `test:watch:1` |" in page
    assert "## Result" not in page
