"""Errors as AWS's services write them: what a code and a message look like in each protocol.

  status, headers, body = write(form, code, message, status, namespace)

The forms are the protocols ('ec2', 'query', 'rest-xml', 'rest-json', 'json') and what some services make of them:

  s3              the root is Error; no wrapper
  rest-json type  the code is in the body alone, as __type
  rest-json code  the same, as code
  json plain      __type without a namespace; Message
  json header     no __type; the code is in the header
  json query      beside __type, under which name the query protocol had it
  html, empty     a load balancer's page; no body at all
"""
import json

REQUEST = '7a62c49f-347e-4fc4-9331-6e8eEXAMPLE'
PROTOCOLS = ('ec2', 'query', 'rest-xml', 'rest-json', 'json')
FORMS = (*PROTOCOLS, 's3', 'rest-json type', 'rest-json code', 'json plain', 'json header', 'json query', 'html', 'empty')
DECLARED = '<?xml version="1.0" encoding="UTF-8"?>\n'


def xml(text):
    return text.replace('&', '&amp;').replace('<', '&lt;').replace('>', '&gt;')


def write(form, code, message, status=400, namespace='com.amazonaws.service.v20200101'):
    said = f'<Code>{code}</Code><Message>{xml(message)}</Message>'
    kind = 'Sender' if status < 500 else 'Receiver'
    as_xml = {'Content-Type': 'text/xml;charset=UTF-8', 'x-amzn-RequestId': REQUEST}
    as_json = {'Content-Type': 'application/json', 'x-amzn-RequestId': REQUEST}
    as_rpc = {**as_json, 'Content-Type': 'application/x-amz-json-1.1'}
    if form == 'ec2':
        headers, body = as_xml, f'{DECLARED}<Response><Errors><Error>{said}</Error></Errors><RequestID>{REQUEST}</RequestID></Response>'
    elif form in ('query', 'rest-xml'):
        headers, body = as_xml, (f'<ErrorResponse xmlns="https://example.amazonaws.com/doc/2010-05-08/">\n  <Error>\n    <Type>{kind}</Type>\n    {said}\n'
                                 f'  </Error>\n  <RequestId>{REQUEST}</RequestId>\n</ErrorResponse>\n')
    elif form == 's3':
        headers = {'Content-Type': 'application/xml', 'x-amz-request-id': '4442587FB7D0A2F9', 'x-amz-id-2': 'aGVsbG8='}
        body = f'{DECLARED}<Error>{said}<Resource>/</Resource><RequestId>4442587FB7D0A2F9</RequestId><HostId>aGVsbG8=</HostId></Error>'
    elif form == 'rest-json':
        headers = {**as_json, 'x-amzn-ErrorType': f'{code}:http://internal.amazon.com/coral/{namespace}/'}
        body = json.dumps({'message': message})
    elif form == 'rest-json type':
        headers, body = as_json, json.dumps({'Message': message, '__type': code})
    elif form == 'rest-json code':
        headers, body = as_json, json.dumps({'code': code, 'message': message, 'type': 'Client'})
    elif form == 'json':
        headers, body = as_rpc, json.dumps({'__type': f'{namespace}#{code}', 'message': message})
    elif form == 'json plain':
        headers, body = as_rpc, json.dumps({'__type': code, 'Message': message})
    elif form == 'json header':
        headers, body = {**as_rpc, 'x-amzn-ErrorType': code}, json.dumps({'message': message})
    elif form == 'json query':
        headers = {**as_rpc, 'x-amzn-query-error': f'AWS.Service.{code.removesuffix("Exception")};{kind}'}
        body = json.dumps({'__type': f'{namespace}#{code}', 'message': message})
    elif form == 'html':
        headers = {'Content-Type': 'text/html', 'Server': 'awselb/2.0'}
        body = f'<html>\r\n<head><title>{status} {code}</title></head>\r\n<body>\r\n<center><h1>{status} {code}</h1></center>\r\n</body>\r\n</html>\r\n'
    elif form == 'empty':
        headers, body = {}, ''
    else:
        raise ValueError(form)
    return status, headers, body.encode()


# How each protocol says that a session is over, and that a request was signed by another clock.
EXPIRED = {'ec2': ('RequestExpired', 'Request has expired.', 400),
           'query': ('ExpiredToken', 'The security token included in the request is expired', 403),
           'rest-xml': ('ExpiredToken', 'The security token included in the request is expired', 403),
           's3': ('ExpiredToken', 'The provided token has expired.', 400),
           'rest-json': ('ExpiredTokenException', 'The security token included in the request is expired', 403),
           'json': ('ExpiredTokenException', 'The security token included in the request is expired', 400)}
SKEWED = {'ec2': ('RequestExpired', 'Request has expired. Timestamp date is {at}. Current date is {now}', 400),
          'query': ('SignatureDoesNotMatch', 'Signature expired: {at} is now earlier than {now} (5 min.)', 403),
          'rest-xml': ('SignatureDoesNotMatch', 'Signature expired: {at} is now earlier than {now} (5 min.)', 403),
          's3': ('RequestTimeTooSkewed', 'The difference between the request time and the current time is too large.', 403),
          'rest-json': ('InvalidSignatureException', 'Signature expired: {at} is now earlier than {now} (5 min.)', 403),
          'json': ('InvalidSignatureException', 'Signature expired: {at} is now earlier than {now} (5 min.)', 400)}
