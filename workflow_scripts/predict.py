"""Say what the images of a split are, by the classifier file and their embeddings."""

import logging

from susx_job import Job, run_job


def main(job: Job) -> None:
    """One row per image, unreadable ones with the reason."""
    from susx.classifier.file import load_classifier
    from susx.classifier.predictions import PredictionRecord, predict_table
    from susx.embeddings.cache import read_cache
    from susx.manifests.tables import ImageRecord, read_table, write_table

    files = job.input
    classifier = load_classifier(files.classifier, device=job.params.how["device"])
    patches = files.get("patches")
    table = predict_table(
        classifier,
        read_cache(files.images, classifier.meta.classes_sha256, len(classifier.classes)),
        read_table(files.manifest, ImageRecord),
        read_cache(patches) if patches else None,
    )
    write_table(job.output[0], table, PredictionRecord)
    logging.info("%(n_images)s images, %(n_unreadable)s unreadable", table.meta)


if __name__ == "__main__":
    run_job(main, globals())
