"""Makes moto's AWS server check requests as AWS does, and say no as AWS does.

moto compares a signature with one of a body that it encoded anew, so that it
refuses good ones; it answers refusals in one XML form for every protocol; and
it looks at neither clocks, the body's hash, expired sessions, external ids nor
roles that do not exist. install() mends that. The signature itself is still
botocore's. (A module whose name begins with "moto" would be taken for one of
moto's services when an error is looked up.)
"""
import datetime
import hashlib
import io
import json
import re
import threading

from botocore.awsrequest import AWSRequest
from moto import settings
from moto.core import responses
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.core.utils import get_service_model
from moto.iam import access_control
from moto.iam.models import iam_backends
from moto.moto_server import werkzeug_app
from moto.s3.exceptions import S3ClientError
from moto.sts.models import sts_backends
from moto.sts.responses import TokenResponse
from werkzeug.exceptions import HTTPException

# What is wrong: how ec2, the XML protocols and the JSON protocols call it (code
# and status; rest-json answers 403 where json answers 400), and how S3 does.
ANSWERS = {
    'unsigned': (('AuthFailure', 401), ('MissingAuthenticationToken', 403), 'MissingAuthenticationTokenException',
                 'AccessDenied'),
    'signature': (('AuthFailure', 401), ('SignatureDoesNotMatch', 403), 'InvalidSignatureException',
                  'SignatureDoesNotMatch'),
    'hash': (('AuthFailure', 401), ('SignatureDoesNotMatch', 403), 'InvalidSignatureException',
             'XAmzContentSHA256Mismatch'),
    'clock': (('RequestExpired', 400), ('SignatureDoesNotMatch', 403), 'InvalidSignatureException',
              'RequestTimeTooSkewed'),
    'expired': (('RequestExpired', 400), ('ExpiredToken', 403), 'ExpiredTokenException', 'ExpiredToken'),
    'key': (('AuthFailure', 401), ('InvalidClientTokenId', 403), 'UnrecognizedClientException', 'InvalidAccessKeyId'),
    'denied': (('UnauthorizedOperation', 403), ('AccessDenied', 403), 'AccessDeniedException', 'AccessDenied'),
}
OF_MOTO = {'SignatureDoesNotMatch': 'signature', 'AuthFailure': 'signature', 'InvalidClientTokenId': 'key',
           'AccessDenied': 'denied'}
CLOCK = {True: 15 * 60, False: 5 * 60}          # seconds that a clock may be off: S3, all others

this = threading.local()                        # .body: the bytes of the request that this thread serves


class Refused(Exception):
    pass


class Answer(ServiceException):
    """Its code is looked up in the called service's model only."""


def utc_now():
    return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)


def keep_body(serve):
    def call(self, environ, start_response):
        this.body = b''
        if environ.get('CONTENT_LENGTH'):
            this.body = environ['wsgi.input'].read(int(environ['CONTENT_LENGTH']))
            environ['wsgi.input'] = io.BytesIO(this.body)
        return serve(self, environ, start_response)
    return call


def request_as_received(self):
    names = self._get_string_between('SignedHeaders=', ',', self._headers['Authorization']).split(';')
    request = AWSRequest(method=self._method, url=self._path, data=this.body,
                         headers=self._create_headers_for_aws_request(names, self._headers))
    request.context['timestamp'] = self._headers.get('X-Amz-Date', '')
    return request


def look_closer(self, s3):
    """Raises Refused(kind, message) for what moto does not look at."""
    auth = self.headers.get('Authorization') or ''
    date = self.headers.get('X-Amz-Date', '')
    sha = self.headers.get('X-Amz-Content-SHA256')
    if not auth.startswith('AWS4-HMAC-SHA256 '):
        raise Refused('unsigned', 'Request is missing Authentication Token')
    if 'host' not in auth.partition('SignedHeaders=')[2].partition(',')[0].split(';'):
        raise Refused('signature', "'Host' must be a signed header")
    if not re.fullmatch(r'\d{8}T\d{6}Z', date):
        raise Refused('signature', 'X-Amz-Date is missing or malformed')
    if abs((utc_now() - datetime.datetime.strptime(date, '%Y%m%dT%H%M%SZ')).total_seconds()) > CLOCK[s3]:
        raise Refused('clock', f'Signature expired or not yet current: {date}')
    if auth.partition('Credential=')[2].split('/')[1] != date[:8]:
        raise Refused('signature', 'Date in Credential scope does not match X-Amz-Date')
    if s3 and not sha:
        raise Refused('signature', 'Missing required header for this request: x-amz-content-sha256')
    if sha and re.fullmatch('[0-9a-f]{64}', sha) and sha != hashlib.sha256(this.body).hexdigest():
        raise Refused('hash', "The provided 'x-amz-content-sha256' header does not match what was computed")
    if self.headers.get('X-Amz-Security-Token'):
        for role in sts_backends[self.current_account][self.partition].assumed_roles:
            if role.access_key_id == self.access_key and role.expiration.replace(tzinfo=None) < utc_now():
                raise Refused('expired', 'The security token included in the request is expired')


def refuse(self, kind, message):
    """Answers in the protocol that the caller speaks."""
    model = get_service_model(self.boto3_service_name)
    asked = self.determine_response_protocol(model)
    ec2, xml, name, _ = ANSWERS[kind]
    if model.metadata['protocol'] == 'ec2':
        code, status = ec2
    elif asked in ('query', 'rest-xml'):
        code, status = xml
    else:
        code, status = name, 403 if asked == 'rest-json' else 400
    _, headers, body = self.serialized(ActionResult(Answer(code, message)))
    self.response_headers.update(headers)
    self.response_headers['status'] = status
    error = HTTPException(description=body.decode() if isinstance(body, bytes) else body)
    error.code = status
    raise error


def checked(moto_check):
    def check(self, resource='*'):
        if settings.INITIAL_NO_AUTH_ACTION_COUNT > 0:
            return
        try:
            look_closer(self, False)
            moto_check(self, resource)
        except Refused as e:
            refuse(self, *e.args)
        except HTTPException as e:
            kind = OF_MOTO.get(getattr(e, 'error_type', ''))
            if kind:
                refuse(self, kind, e.message)
            raise
    return check


def checked_s3(moto_check):
    def check(self, bucket_name=None, key_name=None):
        if settings.INITIAL_NO_AUTH_ACTION_COUNT > 0:
            return
        try:
            look_closer(self, True)
        except Refused as e:
            raise S3ClientError(ANSWERS[e.args[0]][3], e.args[1]) from None
        moto_check(self, bucket_name, key_name)
    return check


def checked_assume_role(assume_role):
    """The role must exist, and where its trust asks for an external id, that one must be given."""
    def call(self):
        arn, given = self._get_param('RoleArn'), self._get_param('ExternalId')
        m = re.fullmatch(r'arn:aws[a-z-]*:iam::(\d{12}):role/(?:.*/)?([^/]+)', arn or '')
        role = None
        if m:
            # What is asked for is looked up, never made: an account that is not there must stay so.
            known = iam_backends[m[1]]['aws'] if m[1] in iam_backends else None
            role = next((r for r in known.roles.values() if r.name == m[2]), None) if known else None
        wanted = None
        if role:
            for statement in json.loads(role.assume_role_policy_document)['Statement']:
                wanted = statement.get('Condition', {}).get('StringEquals', {}).get('sts:ExternalId', wanted)
        if role is None or (wanted is not None and wanted != given):
            refuse(self, 'denied', f'User: {self.access_key} is not authorized to perform: sts:AssumeRole on resource: {arn}')
        return assume_role(self)
    return call


def install():
    mixin = responses.ActionAuthenticatorMixin
    app = werkzeug_app.DomainDispatcherApplication
    app.__call__ = keep_body(app.__call__)
    access_control.IAMRequestBase._create_aws_request = request_as_received
    mixin._authenticate_and_authorize_normal_action = checked(mixin._authenticate_and_authorize_normal_action)
    mixin._authenticate_and_authorize_s3_action = checked_s3(mixin._authenticate_and_authorize_s3_action)
    TokenResponse.assume_role = checked_assume_role(TokenResponse.assume_role)
