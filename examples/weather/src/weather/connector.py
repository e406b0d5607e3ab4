"""Looks up the temperature of a city."""

from typing import Annotated

from zeebe_connectors import ConnectorError, Context, Hint, Model, PermanentError, Secret, outbound
from zeebe_connectors.web import Exchange, HttpRequest, encoded_url, status_error, with_query


class Place(Model):
    url: Annotated[str, Hint(secrets="whole", example="https://weather.example.com/now")]
    """Address of the weather service."""
    city: Annotated[str, Hint(example="Oslo")]
    """Name of the city."""
    token: Secret
    """Key of the weather service."""


class Weather(Model):
    temperature: float
    """Degrees Celsius."""


@outbound(
    "weather",
    title="Weather: look up",
    type="com.example:weather:1",
    errors={
        "WEATHER_UNKNOWN_CITY": "The service does not know the city; correct the name.",
        "WEATHER_UNREADABLE": "The service answered something else than a temperature; ask its operator.",
    },
)
async def look_up(place: Place, context: Context) -> Weather:
    """Look up the temperature of a city."""
    request = HttpRequest("GET", with_query(encoded_url(place.url), [("city", place.city)]))
    request.headers["X-Token"] = place.token.reveal()
    response = await Exchange(context).call(request)
    if response.status == 404:
        raise PermanentError("WEATHER_UNKNOWN_CITY", "city: the service does not know it; correct the name")
    if response.status >= 400:
        raise status_error(response, method="GET")
    try:
        return Weather.model_validate_json(response.body)
    except ValueError as error:
        raise ConnectorError("WEATHER_UNREADABLE", "The service's answer holds no temperature") from error
