"""Ask a language model about a chunk of classes."""

import logging

from susx_job import Job, run_job


def main(job: Job) -> None:
    """Replies are kept as the model wrote them; joining them decides what is usable.

    Those of a try that failed are not asked for again.
    """
    from susx.config.texts import Descriptions
    from susx.core.files import write_checked
    from susx.prompts.descriptions import describe_classes
    from susx.prompts.kept_replies import KeptReplies
    from susx.prompts.language_models import load_language_model

    params = job.params
    name = params.how["name"]
    model = load_language_model(name, {**params.model, **params.how["runs"]})
    asked = Descriptions(model=name, **params.asked)
    kept = KeptReplies(job.parts)
    data = describe_classes(params.classes, asked, model, kept)
    write_checked(job.output[0], data)
    kept.forget()
    logging.info("%d classes, tokens: %s", len(params.classes), data["tokens"])


if __name__ == "__main__":
    run_job(main, globals())
