"""Ask a language model about a chunk of classes."""

import logging

from susx_job import run_job


def main(job):
    """Replies are kept as the model wrote them; joining them decides what is usable."""
    from susx.config_texts import Descriptions
    from susx.descriptions import describe_classes
    from susx.files import write_checked
    from susx.language_models import load_language_model

    params = job.params
    name = params.how["name"]
    model = load_language_model(name, {**params.model, **params.how["runs"]})
    asked = Descriptions(model=name, **params.asked)
    data = describe_classes(params.classes, asked, model)
    write_checked(job.output[0], data)
    logging.info("%d classes, tokens: %s", len(params.classes), data["tokens"])


if "snakemake" in globals():
    run_job(main, snakemake)
