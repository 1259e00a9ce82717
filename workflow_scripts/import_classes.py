"""Write the class manifest of published features whose classes have no names."""

import logging

from susx_job import Job, run_job


def main(job: Job) -> None:
    """Classes are numbered; there are as many as the texts have."""
    from susx.published.tensors import generated_classes

    manifest = generated_classes(job.input.text, *job.input.images)
    manifest.write(job.output[0])
    logging.info("%d classes", len(manifest))


if __name__ == "__main__":
    run_job(main, globals())
