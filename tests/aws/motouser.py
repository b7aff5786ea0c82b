"""A user of the AWS server's main account, as whom cq asks from here on.

  moto, iam = user('least')       # what the server holds; IAM as its administrator, who gives the user policies
"""
import json
import os

import boto3


def user(name):
    with open(os.environ['CQ_MOTO_FILE'], encoding='utf-8') as f:
        moto = json.load(f)
    iam = boto3.client('iam', endpoint_url=os.environ['CQ_MOTO_URL'], region_name='us-east-1', aws_access_key_id=moto['admin']['access_key_id'],
                       aws_secret_access_key=moto['admin']['secret_access_key'])
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)['AccessKey']
    os.environ.update(AWS_ENDPOINT_URL=os.environ['CQ_MOTO_URL'], AWS_CONFIG_FILE='/dev/null', AWS_SHARED_CREDENTIALS_FILE='/dev/null',
                      AWS_EC2_METADATA_DISABLED='true', AWS_ACCESS_KEY_ID=key['AccessKeyId'], AWS_SECRET_ACCESS_KEY=key['SecretAccessKey'])
    return moto, iam
