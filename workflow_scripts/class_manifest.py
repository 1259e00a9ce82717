"""Write the class manifest of a dataset from a list, a text file or a dataset card."""

import logging

from susx_job import Job, run_job


def main(job: Job) -> None:
    """Names in the configuration win over those of the card."""
    from susx.manifests.names import named_classes

    manifest = named_classes(**job.params.dataset, key=job.params.key)
    manifest.write(job.output[0])
    logging.info("%d classes, %s", len(manifest), manifest.sha256[:12])


if __name__ == "__main__":
    run_job(main, globals())
