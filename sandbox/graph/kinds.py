"""The kinds of authentication methods: where each is found, which permission it goes by, what Graph shows of it.

Source: Microsoft Graph v1.0 and beta metadata, "Authentication methods API overview".
"""

from dataclasses import dataclass, field
from typing import Any

from sandbox.people import CreatedShown

BOTH = ("v1.0", "beta")
BETA = ("beta",)


@dataclass(frozen=True)
class Kind:
    """`segment` is the collection below `/users/{id}/authentication/`, `permission` the X in `UserAuthMethod-X.ReadWrite.All`.

    `shows` are all properties besides id and createdDateTime, with the values that a method has unless told otherwise.
    """

    type: str
    segment: str
    permission: str
    shows: dict[str, Any] = field(default_factory=dict)
    created_shown: CreatedShown = "value"
    versions: tuple[str, ...] = BOTH
    deletable: bool = True
    single: bool = False


KINDS = {
    kind.type: kind
    for kind in (
        Kind("phone", "phoneMethods", "Phone", {"phoneNumber": None, "phoneType": "mobile", "smsSignInState": "notEnabled"},
             created_shown="null"),
        Kind("microsoftAuthenticator", "microsoftAuthenticatorMethods", "MicrosoftAuthApp",
             {"deviceTag": "SoftwareTokenActivated", "displayName": None, "phoneAppVersion": "6.2511.7533"}),
        Kind("softwareOath", "softwareOathMethods", "SoftwareOATH", {"secretKey": None}),
        Kind("hardwareOath", "hardwareOathMethods", "HardwareOATH", {"device": None}, versions=BETA),
        Kind("email", "emailMethods", "Email", {"emailAddress": None}, created_shown="null"),
        Kind("fido2", "fido2Methods", "Passkey",
             {"aaGuid": "2fc0579f-8113-47ea-b116-bb5a8db9202a", "attestationCertificates": [], "attestationLevel": "attested",
              "displayName": None, "model": "NFC key", "passkeyType": "deviceBound", "publicKeyCredential": None}),
        Kind("windowsHelloForBusiness", "windowsHelloForBusinessMethods", "WindowsHello",
             {"displayName": None, "keyStrength": "normal"}),
        Kind("platformCredential", "platformCredentialMethods", "PlatformCred",
             {"displayName": None, "keyStrength": "normal", "platform": "macOS"}),
        Kind("temporaryAccessPass", "temporaryAccessPassMethods", "TAP",
             {"isUsable": True, "isUsableOnce": False, "lifetimeInMinutes": 60, "methodUsabilityReason": "EnabledByPolicy",
              "startDateTime": None, "temporaryAccessPass": None}),
        Kind("external", "externalAuthenticationMethods", "External", {"configurationId": None, "displayName": None}),
        Kind("qrCodePin", "qrCodePinMethod", "QR", versions=BETA, single=True),
        Kind("password", "passwordMethods", "Password", {"password": None}, deletable=False),
    )
}  # fmt: skip

TOKEN_DEVICE = {
    "displayName": None,
    "serialNumber": None,
    "manufacturer": "Contoso",
    "model": "Hardware Token 1000",
    "secretKey": None,
    "timeIntervalInSeconds": 30,
    "status": "activated",
    "hashFunction": "hmacsha1",
}
"""A `hardwareOathTokenAuthenticationMethodDevice`; `status` is available, assigned, activated or failedActivation."""
