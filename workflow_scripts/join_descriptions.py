"""Join what a language model wrote about chunks of classes, without the junk."""

import logging

from susx_job import Job, run_job


def main(job: Job) -> None:
    """Log what was kept and what was dropped, with the reasons."""
    from susx.core.errors import listing
    from susx.core.files import write_checked
    from susx.manifests.classes import ClassManifest
    from susx.prompts.descriptions import join_replies, shares_told

    classes = ClassManifest.read(job.input.classes)
    data = join_replies(job.params.texts, classes, job.input.chunks)
    write_checked(job.output[0], data)
    for line in shares_told(data):
        logging.info("%s", line)
    empty = [name for name, texts in data["texts"].items() if not texts]
    if empty:
        logging.warning("nothing usable about %d classes: %s", len(empty), listing(empty, 20))


if __name__ == "__main__":
    run_job(main, globals())
