"""Generate the support images of a chunk of classes with a text-to-image model."""

import logging

from susx_job import Job, run_job


def main(job: Job) -> None:
    """Finished classes outlive a killed job; they go when the chunk is written.

    Images that earlier jobs generated, of chunks or numbers of another size, are taken over.
    """
    from susx.config.synthesis import Synthesis
    from susx.manifests.classes import ClassManifest
    from susx.manifests.tables import SupportRecord, write_table
    from susx.prompts.strategies import PromptSet
    from susx.support.synthesis import chunk_of, forget_finished, images_depend_on, synthesise_chunk

    classes = ClassManifest.read(job.input.classes)
    prompts = PromptSet.read(job.input.prompts, classes)
    settings = Synthesis(**job.params.settings, **job.params.how["runs"])
    entries = chunk_of(classes, job.params.chunk, settings.chunk)
    earlier = job.paths.relatives(("classes", "prompts"), images_depend_on)
    tar = job.output.images
    table = synthesise_chunk(settings, classes, entries, prompts, job.parts, tar, earlier)
    write_table(job.output.manifest, table, SupportRecord)
    forget_finished(job.parts, entries)
    logging.info("%d images of %d classes", sum(r.kept for r in table.records), len(entries))


if __name__ == "__main__":
    run_job(main, globals())
