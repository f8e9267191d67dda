"""boto3 with the operations of 2023 for imports, exports and connectors, which the packaged service model does not know; written by hand, not
made of the gateway's table: where the two differ, calls or answers fail.

botocore merges a file "service-2.sdk-extras.json" of its search path into the model; this one is written into a folder of its own.
"""
import json
import os
import tempfile

import boto3
import botocore.session
from botocore.config import Config

from client import CA, KEYS, URL, observed

TEXT, NUMBER, FLAG = {"shape": "XText"}, {"shape": "XNumber"}, {"shape": "XFlag"}
TAGS, PAGE = {"shape": "TagsMap"}, {"shape": "XNumber"}


def structure(required=(), **members):
    return {"type": "structure", "required": list(required), "members": members}


def of(name):
    return {"shape": name}


def list_of(name):
    return {"type": "list", "member": of(name)}


SHAPES = {
    "XText": {"type": "string"},
    "XNumber": {"type": "integer", "box": True},
    "XFlag": {"type": "boolean", "box": True},
    "XFloat": {"type": "float"},
    "XTexts": list_of("XText"),
    "XSource": structure(["s3Bucket", "s3Key"], s3Bucket=TEXT, s3Key=TEXT, s3BucketOwner=TEXT),
    "XCount": structure(createdCount=NUMBER, modifiedCount=NUMBER),
    "XImportSummary": structure(waves=of("XCount"), applications=of("XCount"), servers=of("XCount")),
    "XImportTask": structure(importID=TEXT, arn=TEXT, s3BucketSource=of("XSource"), creationDateTime=TEXT, endDateTime=TEXT,
                             status=TEXT, progressPercentage=of("XFloat"), summary=of("XImportSummary"), tags=TAGS),
    "XImportErrorData": structure(sourceServerID=TEXT, applicationID=TEXT, waveID=TEXT, ec2LaunchTemplateID=TEXT,
                                  rowNumber=NUMBER, rawError=TEXT, accountID=TEXT),
    "XImportError": structure(errorDateTime=TEXT, errorType=TEXT, errorData=of("XImportErrorData")),
    "XExportSummary": structure(serversCount=NUMBER, applicationsCount=NUMBER, wavesCount=NUMBER),
    "XExportTask": structure(exportID=TEXT, arn=TEXT, s3Bucket=TEXT, s3Key=TEXT, s3BucketOwner=TEXT, creationDateTime=TEXT,
                             endDateTime=TEXT, status=TEXT, progressPercentage=of("XFloat"), summary=of("XExportSummary"),
                             tags=TAGS),
    "XExportErrorData": structure(rawError=TEXT),
    "XExportError": structure(errorDateTime=TEXT, errorData=of("XExportErrorData")),
    "XConfig": structure(["s3OutputEnabled", "cloudWatchOutputEnabled"], s3OutputEnabled=FLAG, outputS3BucketName=TEXT,
                         cloudWatchOutputEnabled=FLAG, cloudWatchLogGroupName=TEXT),
    "XConnector": structure(connectorID=TEXT, name=TEXT, ssmInstanceID=TEXT, arn=TEXT, tags=TAGS, ssmCommandConfig=of("XConfig")),
    "XImports": list_of("XImportTask"), "XImportErrors": list_of("XImportError"),
    "XExports": list_of("XExportTask"), "XExportErrors": list_of("XExportError"), "XConnectors": list_of("XConnector"),
    "XImportFilters": structure(importIDs=of("XTexts")),
    "XExportFilters": structure(exportIDs=of("XTexts")),
    "XConnectorFilters": structure(connectorIDs=of("XTexts")),
}
OPERATIONS = {}


def operation(name, code, request, answer=None):
    SHAPES[name + "XIn"] = request
    OPERATIONS[name] = {"name": name, "http": {"method": "POST", "requestUri": "/" + name, "responseCode": code},
                        "input": of(name + "XIn")}
    if answer:
        SHAPES[name + "XOut"] = answer
        OPERATIONS[name]["output"] = of(name + "XOut")


def listing(name, items, required=(), **members):
    operation(name, 200, structure(required, maxResults=PAGE, nextToken=TEXT, **members),
              structure(items=of(items), nextToken=TEXT))


operation("StartImport", 202, structure(["s3BucketSource"], clientToken=TEXT, s3BucketSource=of("XSource"), tags=TAGS),
          structure(importTask=of("XImportTask")))
operation("StartExport", 202, structure(["s3Bucket", "s3Key"], s3Bucket=TEXT, s3Key=TEXT, s3BucketOwner=TEXT, tags=TAGS),
          structure(exportTask=of("XExportTask")))
listing("ListImports", "XImports", filters=of("XImportFilters"))
listing("ListExports", "XExports", filters=of("XExportFilters"))
listing("ListImportErrors", "XImportErrors", ["importID"], importID=TEXT)
listing("ListExportErrors", "XExportErrors", ["exportID"], exportID=TEXT)
operation("CreateConnector", 201, structure(["name", "ssmInstanceID"], name=TEXT, ssmInstanceID=TEXT, tags=TAGS,
                                            ssmCommandConfig=of("XConfig")), SHAPES["XConnector"])
operation("UpdateConnector", 200, structure(["connectorID"], connectorID=TEXT, name=TEXT, ssmCommandConfig=of("XConfig")),
          SHAPES["XConnector"])
listing("ListConnectors", "XConnectors", filters=of("XConnectorFilters"))
operation("DeleteConnector", 204, structure(["connectorID"], connectorID=TEXT))


def mgn_2023(key="operator"):
    """A client with the key of that name that knows the operations above besides those of its own model."""
    with tempfile.TemporaryDirectory() as folder:
        place = os.path.join(folder, "mgn", "2020-02-26")
        os.makedirs(place)
        with open(os.path.join(place, "service-2.sdk-extras.json"), "w", encoding="utf-8") as file:
            json.dump({"version": 1.0, "merge": {"operations": OPERATIONS, "shapes": SHAPES}}, file)
        session = botocore.session.Session()
        session.get_component("data_loader").search_paths.insert(0, folder)
        return observed(boto3.session.Session(botocore_session=session).client(
            "mgn", region_name="us-east-1", endpoint_url=URL, verify=CA, aws_access_key_id=KEYS[key][0],
            aws_secret_access_key=KEYS[key][1],
            config=Config(retries={"max_attempts": 1}, connect_timeout=10, read_timeout=60)))
