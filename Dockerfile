# Written by `python -m docs.generate_environments`.
#   docker build --tag susx .
#   docker run --rm --volume "$PWD:/project" susx run results/pets.json
FROM python:3.11-slim
WORKDIR /susx
COPY LICENSE README.md Snakefile config.yaml pyproject.toml requirements.lock ./
COPY docs docs
COPY envs envs
COPY profiles profiles
COPY rules rules
COPY susx susx
COPY workflow_scripts workflow_scripts
RUN pip install --no-cache-dir --constraint requirements.lock '.[faiss,hub,llm,s3,siglip,slurm]'
WORKDIR /project
ENTRYPOINT ["susx"]
