"""Writes AEDAT 4.0, the format of event cameras that CIFAR10-DVS comes in, without compression.

The parts are FlatBuffers (a table finds its fields by a vtable of offsets), laid out here by hand, since there is no
writer among our dependencies.
"""

import struct

EVENT = struct.Struct("<qhhB3x")  # microseconds, x, y, ON; padded to 16 bytes


def write(path, events, width=128, height=128):
    """Write events (t, x, y, on) as one packet of one stream."""
    info = (
        '<dv version="2.0"><node name="outInfo" path="/mainloop/Recorder/outInfo/"><node name="0" path="/0/">'
        '<attr key="compression" type="string">NONE</attr><attr key="typeIdentifier" type="string">EVTS</attr>'
        f'<node name="info" path="/0/info/"><attr key="sizeX" type="int">{width}</attr>'
        f'<attr key="sizeY" type="int">{height}</attr></node></node></node></dv>'
    ).encode()
    # Table at 20: vtable at 8 of 3 fields (compression, dataTablePosition, infoNode) at 4, 8 and 16 of the table.
    header = struct.pack("<I4s5H2x", 20, b"IOHE", 10, 20, 4, 8, 16)
    header += struct.pack("<iiqI", 20 - 8, 0, -1, 4) + struct.pack("<I", len(info)) + info + b"\0"
    # Table at 16: vtable at 8 of 1 field (elements) at 4 of the table; the events are aligned to 8 bytes.
    packet = struct.pack("<I4s3H2x", 16, b"EVTS", 6, 8, 4) + struct.pack("<iII", 16 - 8, 8, 0)
    packet += struct.pack("<I", len(events)) + b"".join(EVENT.pack(*event) for event in events)
    packet = struct.pack("<I", len(packet)) + packet
    content = b"#!AER-DAT4.0\r\n" + struct.pack("<I", len(header)) + header
    path.write_bytes(content + struct.pack("<ii", 0, len(packet)) + packet)
