-- The databases beside the registry's, made when PostgreSQL first starts on an empty volume.
create database lake;
create database dagster;
create database mlflow;
create database searches;
