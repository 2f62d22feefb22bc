"""What we read of Graph's answers. Strict: a value of another type is no answer. Graph adds properties freely; those are ignored.

Source: Microsoft Graph v1.0 and beta, resource types of the same names.
"""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

GUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"

ObjectId = Annotated[str, Field(pattern=f"^{GUID}$")]

MethodId = Annotated[str, Field(pattern=r"[^.]")]
"""Not empty, and nothing that a URL's path would take for a dot segment."""


class Shape(BaseModel):
    # Validation errors end in logs: they must not repeat phone numbers.
    model_config = ConfigDict(strict=True, frozen=True, alias_generator=to_camel, hide_input_in_errors=True)


class User(Shape):
    """`accountEnabled` must be there: without it nobody can be said to be enabled. Null stands for false in the other flags."""

    id: ObjectId
    user_principal_name: str
    account_enabled: bool
    user_type: str | None = None
    on_premises_sync_enabled: bool | None = None
    is_management_restricted: bool | None = None


class AuthenticationMethod(Shape):
    odata_type: Annotated[str, Field(alias="@odata.type")]
    id: MethodId
    created_date_time: AwareDatetime | None = None


class TokenDevice(Shape):
    """`status`: available, assigned, activated, failedActivation."""

    status: str | None = None


class HardwareOathMethod(Shape):
    id: MethodId
    created_date_time: AwareDatetime | None = None
    device: TokenDevice | None = None


class SignInPreferences(Shape):
    user_preferred_method_for_secondary_authentication: str | None = None


class DirectoryRole(Shape):
    """`roleTemplateId` is null for an app that may not read roles; that the person has one shows all the same."""

    id: str
    role_template_id: str | None = None


class RoleInstance(Shape):
    """A `unifiedRoleAssignment` or `unifiedRoleEligibilityScheduleInstance`."""

    id: str
    role_definition_id: str | None = None


class Group(Shape):
    """Of a group that we may not read only the id is shown; of the others `isAssignableToRole` is mostly null, which is false."""

    id: ObjectId
    is_assignable_to_role: bool | None = None
    security_enabled: bool | None = None

    @property
    def readable(self) -> bool:
        return self.security_enabled is not None and "is_assignable_to_role" in self.model_fields_set


class GroupEligibility(Shape):
    """A `privilegedAccessGroupEligibilityScheduleInstance`, for a member or an owner; the principal is a person or a group."""

    group_id: ObjectId
    principal_id: ObjectId


class Revocation(Shape):
    """Of `revokeSignInSessions`; some tenants answer without a value."""

    value: Literal[True] | None = None


class Page[T: Shape](Shape):
    value: list[T]
    next_link: Annotated[str | None, Field(alias="@odata.nextLink")] = None


class InnerError(Shape):
    request_id: Annotated[str | None, Field(alias="request-id")] = None


class ErrorDetail(Shape):
    code: str
    inner_error: InnerError | None = None


class Refusal(Shape):
    """Of an error. Its message is left out: it names people and their methods."""

    error: ErrorDetail
