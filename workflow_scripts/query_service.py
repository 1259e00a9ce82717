"""Ask a clip-retrieval backend for the images nearest to every text."""

from susx_job import Job, run_job


def main(job: Job) -> None:
    """Every text of the prompt strategy is a query."""
    from susx.config.pools import ServicePool
    from susx.manifests.classes import ClassManifest
    from susx.manifests.tables import write_table
    from susx.prompts.strategies import PromptSet
    from susx.support.retrieval import Candidate
    from susx.support.service import query_service

    classes, params = ClassManifest.read(job.input.classes), job.params
    prompts, service = PromptSet.read(job.input.prompts, classes), ServicePool(**params.service)
    table = query_service(service, prompts, classes, params.limit, params.how["folder"])
    write_table(job.output[0], table, Candidate)


if __name__ == "__main__":
    run_job(main, globals())
