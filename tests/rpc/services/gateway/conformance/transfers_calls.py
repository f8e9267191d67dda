"""Imports, exports and connectors. What each operation answers and refuses, transfers.py checks; here it is what gRPC shows."""
import os

import transfers as calls
from frame import checks
from transfer_model import mgn_2023

NO_QUOTA = {"ServiceQuotaExceededException": "ten that have not ended: they end too fast"}


def folder(run):
    made = run.installation.parent / "transfers" / calls.BUCKET
    made.mkdir(exist_ok=True)
    return str(made)


def listed(run, noun):
    return str(run.godwit(noun, "list"))


def task(run):
    """An import of one application, and the registry's record of it."""
    name = f"application {os.urandom(4).hex()}"
    made = calls.run_import(run.mgn, folder(run), "one.csv", f"mgn:app:name\n{name}\n")
    return name, made["importID"]


@checks("StartImport", never=NO_QUOTA)
def start_import(run):
    calls.start_import(mgn_2023(), folder(run))
    name, made = task(run)
    run.effect(name in listed(run, "applications"), "the application is there")
    run.effect(made in listed(run, "imports"), "gRPC lists the task")


@checks("ListImports")
def list_imports(run):
    calls.list_imports(mgn_2023(), folder(run))
    _, made = task(run)
    run.effect(run.mgn.list_imports(maxResults=1)["items"][0]["importID"] == made and made in listed(run, "imports"), "the one that gRPC shows")


@checks("ListImportErrors")
def list_import_errors(run):
    calls.list_import_errors(mgn_2023(), folder(run))
    wrong = calls.run_import(run.mgn, folder(run), "wrong.csv", "mgn:region,mgn:app:name\nmars,A\n")["importID"]
    raw = run.mgn.list_import_errors(importID=wrong)["items"][0]["errorData"]["rawError"]
    run.effect(raw in [one["message"] for one in run.godwit("imports", "errors", wrong)["errors"]], "the errors that gRPC shows")


@checks("StartExport", never=NO_QUOTA)
def start_export(run):
    calls.start_export(mgn_2023(), folder(run))
    name, _ = task(run)
    made = calls.ended(run.mgn.list_exports, "exportID", run.mgn.start_export(s3Bucket=calls.BUCKET, s3Key="all.csv")["exportTask"])
    with open(os.path.join(folder(run), "all.csv"), encoding="utf-8") as file:
        run.effect(name in file.read(), "the file has what gRPC lists")
    run.effect(made["exportID"] in listed(run, "exports"), "gRPC lists the task")


@checks("ListExports")
def list_exports(run):
    calls.list_exports(mgn_2023(), folder(run))
    run.effect(run.mgn.list_exports(maxResults=1)["items"][0]["exportID"] in listed(run, "exports"), "the one that gRPC shows")


@checks("ListExportErrors")
def list_export_errors(run):
    calls.list_export_errors(mgn_2023(), folder(run))
    newest = run.mgn.list_exports(maxResults=1)["items"][0]["exportID"]
    raw = run.mgn.list_export_errors(exportID=newest)["items"][0]["errorData"]["rawError"]
    run.effect(raw in [one["message"] for one in run.godwit("exports", "errors", newest)["errors"]], "the errors that gRPC shows")


def connector(run, name):
    """As gRPC shows it; None: it is not there."""
    return next((one for one in run.godwit("connectors", "list")["connectors"] if one["name"] == f"connectors/{name}"), None)


@checks("CreateConnector")
def create_connector(run):
    calls.create_connector(mgn_2023())
    made = calls.make_connector(run.mgn, "shown")["connectorID"]
    run.effect(connector(run, made)["displayName"] == "shown", "gRPC shows it")


@checks("UpdateConnector")
def update_connector(run):
    calls.update_connector(mgn_2023())
    made = calls.make_connector(run.mgn, "before")["connectorID"]
    run.mgn.update_connector(connectorID=made, name="after")
    run.effect(connector(run, made)["displayName"] == "after", "gRPC shows its new name")


@checks("ListConnectors")
def list_connectors(run):
    calls.list_connectors(mgn_2023())
    ours = sorted(one["connectorID"] for one in run.mgn.list_connectors(maxResults=1000)["items"])
    run.effect(ours == sorted(one["name"].split("/")[1] for one in run.godwit("connectors", "list")["connectors"]), "those that gRPC lists")


@checks("DeleteConnector")
def delete_connector(run):
    calls.delete_connector(mgn_2023())
    made = calls.make_connector(run.mgn, "gone")["connectorID"]
    run.mgn.delete_connector(connectorID=made)
    run.effect(connector(run, made) is None, "it is gone")
